import { ERRORS, type ErrorName } from '../../lib/service/http/errors.ts'
import { code, table } from './markdown.ts'

interface Help {
  /** Who gets this answer. */
  readonly to: 'clients' | 'peers' | 'hooks'
  readonly meaning: string
  readonly action: string
}

const LIMIT = 'troubleshooting.md#raise-a-limit'

/** What each error means and what to do about it. */
const HELP: Readonly<Record<ErrorName, Help>> = {
  MISSING_KEY: {
    to: 'clients',
    meaning: 'The handshake names no user, and `onMissing` is `reject`.',
    action: 'Let the client name its user in a place of `routing-key`, or set `onMissing: random`.',
  },
  AMBIGUOUS_USER: {
    to: 'clients',
    meaning: 'Two places of the request name different users.',
    action: 'Let the client, or the proxy in front of the balancer, name one user.',
  },
  BAD_HOST: {
    to: 'clients',
    meaning: 'The request has no Host header, or several.',
    action: 'Fix the client, or a proxy in front that adds a second Host header.',
  },
  CLIENT_GONE: {
    to: 'clients',
    meaning: 'The client disconnected during its handshake. This is only counted.',
    action: 'Raise the timeout of the client, or of the proxy in front of the balancer.',
  },
  SLOW_BODY: {
    to: 'clients',
    meaning: 'The body of the request arrives too slowly.',
    action: 'Fix the client, or lower `ws.operator/min-body-bytes-per-second` (0 switches it off).',
  },
  UPGRADE_REQUIRED: {
    to: 'clients',
    meaning: 'A plain HTTP request reached a port that takes WebSocket handshakes only.',
    action: 'Route that path to your own Service in the Ingress, or set `ws.operator/plain-http: pass`.',
  },
  UNSUPPORTED_CODING: {
    to: 'clients',
    meaning: 'The request uses a transfer coding other than chunked.',
    action: 'Fix the client.',
  },
  UPSTREAM_UNREACHABLE: {
    to: 'clients',
    meaning: 'Nothing listens on the app’s port, or the pod is gone.',
    action:
      'Check `app-port`. The app must listen on 127.0.0.1 or on all addresses. Check NetworkPolicies between balancer and pods.',
  },
  UPSTREAM_FAILED: {
    to: 'clients',
    meaning: 'The app’s answer is not HTTP, broke off, or has too long a head.',
    action: `Check whether \`app-port\` names the port of another protocol. If the head is too long, send fewer headers or raise [\`ws.operator/max-header-bytes\`](${LIMIT}).`,
  },
  BAD_USER: {
    to: 'clients',
    meaning: 'The app answered with a `ws-user-id` that is not a valid user.',
    action: 'Fix the app.',
  },
  NO_OWNER: {
    to: 'clients',
    meaning: 'No ready pod of the app is known.',
    action: 'Check the pods of the app. With 0 replicas this is correct.',
  },
  FULL: {
    to: 'clients',
    meaning: 'The process has reached its limit of connections.',
    action:
      'For a balancer: more replicas (`kubectl scale wsb`) or a higher `spec.limits.maxConnections`. For a pod: more pods or `ws.operator/sidecar-max-connections`.',
  },
  NO_MEMORY: {
    to: 'clients',
    meaning: 'The memory budget of the process is full.',
    action:
      'Give it more memory (`sidecar-memory-limit`, `spec.resources.limits.memory`), or find clients and apps that do not read.',
  },
  DRAINING: {
    to: 'clients',
    meaning: 'The pod is terminating.',
    action: 'Nothing: the client reconnects and reaches another pod.',
  },
  WRONG_TARGET: {
    to: 'clients',
    meaning: 'The pod’s address now belongs to a pod of another app.',
    action: 'Nothing: the balancer corrects its list. If it persists, look for a proxy between balancer and pods.',
  },
  UPSTREAM_TIMEOUT: {
    to: 'clients',
    meaning: 'The app accepted the connection but did not answer in time.',
    action: `Fix the app. If handshakes take longer than 10 s, raise [\`ws.operator/handshake-timeout-ms\`](${LIMIT}); if plain requests bring no byte for 60 s, [\`ws.operator/plain-http-timeout-ms\`](${LIMIT}).`,
  },
  BAD_MESSAGE: {
    to: 'peers',
    meaning: 'The request is not a message of another sidecar.',
    action: 'Keep other programs off the sidecars’ port ([network policy](guides/install.md#5-optional-components)).',
  },
  UNAUTHORIZED: {
    to: 'peers',
    meaning: 'The token is missing or wrong. The hooks answer this too.',
    action:
      'Sidecars: look for pods with an old key ([pod-token.md](pod-token.md)). Hooks: restart them and Metacontroller after the Secret changed.',
  },
  OFFLINE: {
    to: 'peers',
    meaning: 'The user is not connected to that pod.',
    action: 'Nothing: the sender asks another pod.',
  },
  SLOW_CONSUMER: {
    to: 'peers',
    meaning: 'The recipient does not read, and its queue is full.',
    action: 'Fix the recipient’s client or app.',
  },
  UNKNOWN_PEER: {
    to: 'peers',
    meaning: 'The sender is not a known member, and shows no token.',
    action:
      'Nothing, if it stops after a rollout. Otherwise a proxy or mesh changes addresses: use [tokens](pod-token.md).',
  },
  BAD_REQUEST: {
    to: 'hooks',
    meaning: 'The request is not one of Metacontroller’s.',
    action: 'Check the version and the log of Metacontroller.',
  },
  LENGTH_REQUIRED: {
    to: 'hooks',
    meaning: 'The hook request has no Content-Length.',
    action: 'Look for a proxy in front of the hooks.',
  },
  BODY_TOO_LARGE: {
    to: 'hooks',
    meaning: 'The hook request exceeds the limit.',
    action: 'Use fewer or smaller objects, or raise `WS_OPERATOR_MAX_BODY_BYTES` of the hooks.',
  },
  BUSY: {
    to: 'hooks',
    meaning: 'Too many large hook requests arrive at the same time.',
    action: 'Nothing: Metacontroller repeats the request.',
  },
}

/** Node answers it before any code of ours sees the request. */
const LONG_HEAD = [
  '431',
  'none',
  'The head of the request exceeds 16 KiB.',
  `Use smaller cookies, or raise [\`ws.operator/max-header-bytes\`](${LIMIT}); then check the app’s own limit, which is 16 KiB in Node too.`,
  'no',
]

function errorTable(to: Help['to'], more: readonly (readonly string[])[] = []): string {
  const rows = (Object.keys(HELP) as ErrorName[])
    .filter(name => HELP[name].to === to)
    .map(name => ({ ...HELP[name], ...ERRORS[name] }))
    .map(({ status, code: name, meaning, action, retryable }) => [
      String(status),
      code(name),
      meaning,
      action,
      retryable ? 'yes' : 'no',
    ])
  const sorted = [...rows, ...more].sort(([a], [b]) => Number(a) - Number(b))
  return table(['status', 'code', 'meaning', 'what to do', 'retry'], sorted)
}

/** docs/errors.md: each error code, what it means, and what to do. */
export const errorsPage =
  (): string => `<!-- Generated by \`npm run docs\` from lib/service/http/errors.ts and scripts/docs/errors.ts. -->
# Errors

An answer that balancer, sidecar or hooks give themselves has one of these codes, in the field \`code\` of its JSON body; balancer and
sidecar repeat it in the header \`x-ws-operator-error\`. An answer without the header comes from the app, unchanged. "Retry" says whether the
same request can succeed later without a change by the caller. [Troubleshooting](troubleshooting.md) begins with symptoms.

## To clients

${errorTable('clients', [LONG_HEAD])}

## Between sidecars

${errorTable('peers')}

## From the hooks

${errorTable('hooks')}
`
