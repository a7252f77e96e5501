import { type ErrorName, serviceError } from '../../service/http/errors.ts'

/** An error at the dialled side. `upstream` (host:port) is for logs; a client is not told addresses. */
export type UpstreamError = ReturnType<typeof serviceError> & { readonly upstream: string }

type UpstreamErrorName = Extract<ErrorName, `UPSTREAM_${string}`>

/** @param upstream host:port */
export function upstreamError(name: UpstreamErrorName, upstream: string, detail: string | number): UpstreamError {
  return Object.assign(serviceError(name, detail), { upstream })
}

/** What Node reports of a socket or of its HTTP parser. */
export type NodeError = Error & { code?: string; syscall?: string; reason?: string }

/** Whether a connection failed before it was one. */
const isUnconnected = (error: NodeError): boolean =>
  error instanceof AggregateError || error.syscall === 'connect' || error.syscall === 'getaddrinfo'

/**
 * What an error of a connection to an upstream comes to. Messages of Node name addresses, so its codes are given instead.
 *
 * @param maxHeadBytes limit for the head of an answer
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

/** The same words for plain requests and handshakes. */
export const headTooLong = (maxHeadBytes: number): string => `its answer has more than ${maxHeadBytes} bytes of head`
