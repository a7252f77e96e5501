import createError from '@fastify/error'

/**
 * All errors that a peer, a client or an operator sees. The code is the contract; the message is for humans.
 * `retryable`: the same request may succeed later without a change by the caller. `told`: replaces, for clients, a
 * message whose parameters reveal something about the cluster.
 */
export const ERRORS = {
  MISSING_KEY: {
    code: 'WSO_ERR_MISSING_KEY',
    message: 'no user in this handshake; looked in %s',
    status: 400,
    retryable: false,
  },
  AMBIGUOUS_USER: {
    code: 'WSO_ERR_AMBIGUOUS_USER',
    message: 'this request names different users; looked in %s',
    status: 400,
    retryable: false,
  },
  BAD_USER: {
    code: 'WSO_ERR_BAD_USER',
    message: 'the app accepted the handshake with a header ws-user-id that cannot be used: %s',
    told: 'the app accepted the handshake with a header ws-user-id that cannot be used',
    status: 502,
    retryable: true,
  },
  NO_OWNER: {
    code: 'WSO_ERR_NO_OWNER',
    message: 'no member is known that could take this connection; are pods of the app ready?',
    status: 503,
    retryable: true,
  },
  UPSTREAM_UNREACHABLE: {
    code: 'WSO_ERR_UPSTREAM_UNREACHABLE',
    message: 'the upstream cannot be reached: %s',
    told: 'the upstream cannot be reached',
    status: 502,
    retryable: true,
  },
  UPSTREAM_FAILED: {
    code: 'WSO_ERR_UPSTREAM_FAILED',
    message: 'the upstream took the connection, but gave no answer that can be passed on: %s',
    status: 502,
    retryable: true,
  },
  UPSTREAM_TIMEOUT: {
    code: 'WSO_ERR_UPSTREAM_TIMEOUT',
    message: 'the upstream did not answer within %s ms',
    told: 'the upstream did not answer in time',
    status: 504,
    retryable: true,
  },
  BAD_HOST: {
    code: 'WSO_ERR_BAD_HOST',
    message: 'a request has one Host header',
    status: 400,
    retryable: false,
  },
  SLOW_BODY: {
    code: 'WSO_ERR_SLOW_BODY',
    message: 'the body of this request comes too slowly',
    status: 408,
    retryable: true,
  },
  UPGRADE_REQUIRED: {
    code: 'WSO_ERR_UPGRADE_REQUIRED',
    message: 'this port takes WebSocket handshakes; plain HTTP requests are not passed on',
    status: 426,
    retryable: false,
  },
  UNSUPPORTED_CODING: {
    code: 'WSO_ERR_UNSUPPORTED_CODING',
    message: 'a body with the transfer coding %s cannot be passed on',
    status: 501,
    retryable: false,
  },
  FULL: {
    code: 'WSO_ERR_FULL',
    message: 'this instance has as many connections as it takes (%s)',
    told: 'this instance has as many connections as it takes',
    status: 503,
    retryable: true,
  },
  NO_MEMORY: {
    code: 'WSO_ERR_NO_MEMORY',
    message: 'the memory of this instance is full',
    status: 503,
    retryable: true,
  },
  CLIENT_GONE: {
    code: 'WSO_ERR_CLIENT_GONE',
    message: 'the client left during its handshake',
    status: 400,
    retryable: true,
  },
  DRAINING: { code: 'WSO_ERR_DRAINING', message: 'this instance is shutting down', status: 503, retryable: true },
  WRONG_TARGET: {
    code: 'WSO_ERR_WRONG_TARGET',
    message: 'this pod is of another app than the one that is meant: its address has changed hands',
    status: 503,
    retryable: true,
  },
  UNAUTHORIZED: {
    code: 'WSO_ERR_UNAUTHORIZED',
    message: 'the bearer token is missing or wrong',
    status: 401,
    retryable: false,
  },
  UNKNOWN_PEER: {
    code: 'WSO_ERR_UNKNOWN_PEER',
    message: 'this does not come from the address of a member, and shows no token',
    status: 503,
    retryable: true,
  },
  BAD_MESSAGE: {
    code: 'WSO_ERR_BAD_MESSAGE',
    message: 'not a message for this transport: %s',
    status: 400,
    retryable: false,
  },
  OFFLINE: { code: 'WSO_ERR_OFFLINE', message: 'the user is not connected to this pod', status: 404, retryable: true },
  SLOW_CONSUMER: {
    code: 'WSO_ERR_SLOW_CONSUMER',
    message: 'the recipient does not read fast enough; its queue is full',
    status: 429,
    retryable: true,
  },
  BAD_REQUEST: { code: 'WSO_ERR_BAD_REQUEST', message: 'bad hook request: %s', status: 400, retryable: false },
  LENGTH_REQUIRED: {
    code: 'WSO_ERR_LENGTH_REQUIRED',
    message: 'a hook request must say how long it is (Content-Length)',
    status: 411,
    retryable: false,
  },
  BODY_TOO_LARGE: {
    code: 'WSO_ERR_BODY_TOO_LARGE',
    message: 'a hook request of %s bytes is larger than WS_OPERATOR_MAX_BODY_BYTES (%s)',
    status: 413,
    retryable: false,
  },
  BUSY: {
    code: 'WSO_ERR_BUSY',
    message: 'too many large hook requests at the same time',
    status: 429,
    retryable: true,
  },
} as const

/** Key of an entry of {@link ERRORS}. */
export type ErrorName = keyof typeof ERRORS

const constructors = Object.fromEntries(
  Object.entries(ERRORS).map(([name, { code, message, status }]) => [name, createError(code, message, status)]),
) as Record<ErrorName, ReturnType<typeof createError>>

/**
 * Creates an error of {@link ERRORS} as Fastify sends it: `code`, `statusCode`, and the message with its parameters.
 */
export function serviceError(
  name: ErrorName,
  ...args: (string | number)[]
): Error & { code: string; statusCode?: number } {
  return new constructors[name](...args)
}

const TOLD: ReadonlyMap<string, string> = new Map(
  Object.values(ERRORS).flatMap(entry => ('told' in entry ? [[entry.code, entry.told] as const] : [])),
)

/** The message of an error that a client may read, without details of the cluster. */
export const toldMessage = ({ code = '', message }: { code?: string; message: string }): string =>
  TOLD.get(code) ?? message
