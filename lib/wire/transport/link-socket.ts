import { WebSocket } from 'ws'
import { MAX_BATCH_BYTES } from './link-frames.ts'

/** Longest time for the other end to answer our close frame, in milliseconds. */
const CLOSE_TIMEOUT_MS = 1000

/** Sends bytes of a link, in WebSocket messages that the other end takes. */
export function sendBytes(socket: WebSocket, bytes: Buffer, done?: () => void): void {
  let start = 0
  while (bytes.length - start > MAX_BATCH_BYTES) {
    const end = start + MAX_BATCH_BYTES
    socket.send(bytes.subarray(start, end))
    start = end
  }
  socket.send(start === 0 ? bytes : bytes.subarray(start), done)
}

/** Closes a link as RFC 6455 §7 wants it, and ends it where the other end does not take part. */
export function closeLink(socket: WebSocket, code: number, reason: string): void {
  if (socket.readyState === WebSocket.CONNECTING) {
    socket.terminate()
    return
  }
  const timer = setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS)
  socket.once('close', () => clearTimeout(timer))
  socket.close(code, reason)
}
