import { type ErrorName, serviceError } from '../../service/http/errors.ts'

/** An error on the dialled side. `upstream` (host:port) is for logs; addresses are not disclosed to clients. */
export type UpstreamError = ReturnType<typeof serviceError> & { readonly upstream: string }

type UpstreamErrorName = Extract<ErrorName, `UPSTREAM_${string}`>

/** @param upstream host:port */
export function upstreamError(name: UpstreamErrorName, upstream: string, detail: string | number): UpstreamError {
  return Object.assign(serviceError(name, detail), { upstream })
}

/** An error that Node reports for a socket or its HTTP parser. */
export type NodeError = Error & { code?: string; syscall?: string; reason?: string }

/** Whether the connection failed before it was established. */
const isUnconnected = (error: NodeError): boolean =>
  error instanceof AggregateError || error.syscall === 'connect' || error.syscall === 'getaddrinfo'

/**
 * Maps a connection error of an upstream to a service error. Node's messages contain addresses, so its codes are used
 * instead.
 *
 * @param maxHeadBytes limit for the response head
 */
export function upstreamFault(error: NodeError, upstream: string, maxHeadBytes: number): UpstreamError {
  const { code = 'unknown error', reason } = error
  if (isUnconnected(error)) return upstreamError('UPSTREAM_UNREACHABLE', upstream, code)
  return upstreamError('UPSTREAM_FAILED', upstream, answerFault(code, reason, maxHeadBytes))
}

function answerFault(code: string, reason: string | undefined, maxHeadBytes: number): string {
  if (code === 'HPE_HEADER_OVERFLOW') return headTooLong(maxHeadBytes)
  if (code === 'ECONNRESET' || code === 'EPIPE') return 'it broke the connection off'
  return code.startsWith('HPE_') ? `its answer is not valid HTTP/1 (${reason ?? code})` : code
}

/** The same text for plain requests and handshakes. */
export const headTooLong = (maxHeadBytes: number): string => `its answer has more than ${maxHeadBytes} bytes of head`
