import type { IncomingMessage } from 'node:http'

export interface BodyPace {
  /** Length of a measurement window, in milliseconds. */
  readonly windowMs: number
  /** Minimum bytes per second over each window; 0 for no limit. */
  readonly minBytesPerSecond: number
}

/** Whether a request has a body (RFC 9112 §6.3). */
export const hasBody = ({ headers }: Pick<IncomingMessage, 'headers'>): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'

/**
 * Detects a request whose body arrives too slowly, so that a trickle of bytes cannot hold a connection forever. Windows
 * in which the upstream does not read are not counted.
 *
 * @param slow called at most once
 */
export function watchBody(request: IncomingMessage, { windowMs, minBytesPerSecond }: BodyPace, slow: () => void): void {
  const { socket } = request
  if (!hasBody(request) || minBytesPerSecond === 0) return
  const least = (minBytesPerSecond * windowMs) / 1000
  let before = socket.bytesRead
  const timer = setInterval(() => {
    // A request that is not read to its end emits no event when its socket closes.
    if (socket.destroyed) clearInterval(timer)
    const come = socket.bytesRead - before
    before = socket.bytesRead
    if (socket.destroyed || come >= least || request.isPaused()) return
    clearInterval(timer)
    slow()
  }, windowMs)
  request.once('end', () => clearInterval(timer)).once('close', () => clearInterval(timer))
}
