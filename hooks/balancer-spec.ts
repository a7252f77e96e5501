import { type Static, Type } from 'typebox'
import { Errors } from 'typebox/value'
import { parseRoutingKey } from '../lib/routing/routing-key.ts'
import { MISSING_KEY_POLICIES } from '../lib/routing/settings.ts'
import { LOG_LEVELS } from '../lib/service/log.ts'
import { balancerChildName, headlessServiceName, REBALANCES, REHOME_HELLOS, REHOMES } from '../lib/service/names.ts'
import { DEFAULTS } from './annotations.ts'
import { isServiceName } from './values.ts'

const SERVICE_NAME = '^[a-z]([-a-z0-9]*[a-z0-9])?$'

/** Spec of a WebSocketBalancer; the CRD's schema is made from this, and everything in it has a bound. */
export const balancerSpec = Type.Object({
  target: Type.String({
    minLength: 1,
    maxLength: 63,
    pattern: '^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$',
    description: 'Name of the Deployment whose pods take the WebSockets, in the same namespace.',
  }),
  backend: Type.Optional(
    Type.Object(
      {
        service: Type.String({
          minLength: 1,
          maxLength: 63,
          pattern: SERVICE_NAME,
          description: `Name of the headless Service of the sidecars; ${headlessServiceName('<target>')} if absent.`,
        }),
      },
      { description: 'Where the sidecars are found.' },
    ),
  ),
  replicas: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 100,
      description: `Pods of the balancer; ${DEFAULTS['balancer-replicas']} if absent.`,
    }),
  ),
  image: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 512,
      description: 'Image of the balancer; that of this version of ws-operator if absent.',
    }),
  ),
  routing: Type.Optional(
    Type.Object(
      {
        key: Type.Optional(
          Type.String({
            minLength: 1,
            maxLength: 1024,
            description: 'Where a handshake names its user: a chain, first hit wins.',
          }),
        ),
        onMissing: Type.Optional(
          Type.Enum(MISSING_KEY_POLICIES, {
            description: 'A handshake without a user: random (placed anywhere, not addressable) or reject (400).',
          }),
        ),
      },
      { description: 'Which pod a connection goes to.' },
    ),
  ),
  rehome: Type.Optional(
    Type.Enum(REHOMES, {
      description:
        'A client whose pod ends or no longer owns the user: transparent (it keeps its socket) or close (1012); transparent if absent.',
    }),
  ),
  rehomeHello: Type.Optional(
    Type.Enum(REHOME_HELLOS, {
      description: "first-text: a client's new pod gets the client's first text message again; none if absent.",
    }),
  ),
  rebalance: Type.Optional(
    Type.Object(
      {
        policy: Type.Optional(
          Type.Enum(REBALANCES, {
            description:
              'gradual (they are moved, paced), on-reconnect (they go there when they connect again) or "off" (only when they connect again and have no other connection left; in YAML in quotes); gradual if absent.',
          }),
        ),
        maxMovesPerSecond: Type.Optional(
          Type.Integer({
            minimum: 1,
            maximum: 100_000,
            description: 'Most clients that one balancer moves in a second for this; 50 if absent.',
          }),
        ),
        delaySeconds: Type.Optional(
          Type.Integer({
            minimum: 0,
            maximum: 3600,
            description: 'How long the members must stay the same before anybody is moved; 10 if absent.',
          }),
        ),
      },
      { description: 'Users who belong to another pod although theirs stays, since pods were added.' },
    ),
  ),
  drainSeconds: Type.Optional(
    Type.Integer({
      minimum: 1,
      maximum: 3600,
      description: `Longest time in which a balancer that ends closes its clients; ${DEFAULTS['drain-seconds']} if absent.`,
    }),
  ),
  logLevel: Type.Optional(Type.Enum(LOG_LEVELS, { description: 'Log level of the balancer; info if absent.' })),
  servicePort: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 65_535, description: "Port of the balancer's Service; 80 if absent." }),
  ),
})

export type BalancerSpec = Static<typeof balancerSpec>

export type SpecResult =
  | { readonly ok: true; readonly spec: BalancerSpec }
  | { readonly ok: false; readonly message: string }

/** Problems that one message names. */
const MAX_PROBLEMS = 10

/** Checks a spec that a user wrote, and the name of its balancer; tells everything that is wrong with them. */
export function readSpec(name: string, given: unknown): SpecResult {
  const problems = Errors(balancerSpec, given).map(
    ({ instancePath, message }) => `spec${instancePath.replaceAll('/', '.')} ${message}`,
  )
  const child = balancerChildName(name)
  if (!isServiceName(child)) problems.push(`metadata.name: ${child} is no valid name of a Service`)
  if (problems.length > 0) return { ok: false, message: `${problems.slice(0, MAX_PROBLEMS).join('; ')}.` }
  const spec = given as BalancerSpec
  try {
    if (spec.routing?.key !== undefined) parseRoutingKey(spec.routing.key)
  } catch (error) {
    return { ok: false, message: `spec.routing.key: ${(error as Error).message}.` }
  }
  const service = spec.backend?.service ?? headlessServiceName(spec.target)
  if (!isServiceName(service))
    return { ok: false, message: `${service} is no valid name of a Service: set spec.backend.` }
  return { ok: true, spec }
}
