import type { Socket } from 'node:net'
import { endSoon } from './answers.ts'
import type { Answered } from './dial.ts'
import { fieldOf } from './head.ts'

/**
 * Passes an upstream's refusal on: the head as given, then the body as it comes, and ends both connections.
 *
 * @param timeoutMs longest time for the body
 */
export function passRefusal(client: Socket, { socket, head, rest }: Answered, answer: Buffer, timeoutMs: number): void {
  const length = head.status === 204 || head.status === 304 ? '0' : fieldOf(head, 'content-length')
  // Without a length the body is chunked, or it ends with the connection: either way the client can tell by itself.
  let left = length !== undefined && /^\d+$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY
  const timer = setTimeout(() => end(), timeoutMs)
  const end = () => {
    clearTimeout(timer)
    socket.destroy()
    endSoon(client)
  }
  const pass = (chunk: Buffer) => {
    const bytes = chunk.length <= left ? chunk : chunk.subarray(0, left)
    left -= bytes.length
    // A copy: the chunk is only lent.
    if (client.writable && !client.write(Buffer.from(bytes))) socket.pause()
    if (left <= 0) end()
  }
  client.on('drain', () => socket.resume())
  client.once('close', end)
  client.resume()
  socket.on('error', end).once('end', end).on('data', pass)
  if (client.writable) client.write(answer)
  pass(rest)
  socket.resume()
}
