import type { IncomingMessage } from 'node:http'

export interface BodyPace {
  /** How often it is looked at, in milliseconds. */
  readonly windowMs: number
  /** Least bytes in a second, over each window; 0: any pace will do. */
  readonly minBytesPerSecond: number
}

/**
 * Notices a request whose body comes too slowly, so that a few bytes a minute cannot hold a connection for ever. Time in which the
 * other side does not read does not count.
 *
 * @param slow called once, at most
 */
export function watchBody(request: IncomingMessage, { windowMs, minBytesPerSecond }: BodyPace, slow: () => void): void {
  const { headers, socket } = request
  const hasBody = headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'
  if (!hasBody || minBytesPerSecond === 0) return
  const least = (minBytesPerSecond * windowMs) / 1000
  let before = socket.bytesRead
  const timer = setInterval(() => {
    // A request that nobody reads to its end has no event for the end of its socket.
    if (socket.destroyed) clearInterval(timer)
    const come = socket.bytesRead - before
    before = socket.bytesRead
    if (socket.destroyed || come >= least || request.isPaused()) return
    clearInterval(timer)
    slow()
  }, windowMs)
  request.once('end', () => clearInterval(timer)).once('close', () => clearInterval(timer))
}
