import type { Socket } from 'node:net'
import type { Answered } from '../../bridge/socket/dial.ts'
import { fieldOf, type ResponseHead } from '../../websocket/response-head.ts'
import { endSoon } from '../error-response.ts'
import { ChunkedBody } from '../plain/chunked-body.ts'

/** Longest time for the rest of a body once the client has ended its side, in milliseconds; it may have left. */
const LEAVING_MS = 1000

export interface RefusalOptions {
  /** Longest time for the body, in milliseconds. */
  readonly timeoutMs: number
  /** Counts bytes of the body, which the kernel may hold. */
  readonly passed?: (bytes: number) => void
}

/**
 * Passes an upstream's refusal to the client: the given head, then the streamed body; then closes both connections.
 *
 */
export function passRefusal(
  client: Socket,
  { socket, head, rest }: Answered,
  answer: Buffer,
  { timeoutMs, passed = () => {} }: RefusalOptions,
): void {
  const within = bodyOf(head)
  let timer = setTimeout(() => end(), timeoutMs)
  let ended = false
  const end = () => {
    ended = true
    clearTimeout(timer)
    socket.destroy()
    endSoon(client)
  }
  const pass = (chunk: Buffer) => {
    if (ended) return
    const body = within(chunk)
    passed(body.bytes)
    // A copy, because the chunk is only lent.
    if (client.writable && !client.write(Buffer.from(chunk.subarray(0, body.bytes)))) socket.pause()
    if (body.ended) end()
  }
  client.on('drain', () => socket.resume())
  client.once('close', end).once('end', () => {
    clearTimeout(timer)
    if (!ended) timer = setTimeout(end, Math.min(timeoutMs, LEAVING_MS))
  })
  client.resume()
  socket.on('error', end).once('end', end).on('data', pass)
  if (client.writable) client.write(answer)
  pass(rest)
  socket.resume()
}

/** Consumes the next chunk: how many of its bytes belong to the body, and whether the body ends there. */
type Body = (chunk: Buffer) => { readonly bytes: number; readonly ended: boolean }

/**
 * Finds the end of a response body (RFC 9112 §6.3): by status or length, by its chunks, or by the end of the
 * connection.
 */
function bodyOf(head: ResponseHead): Body {
  if (head.status === 204 || head.status === 304) return () => ({ bytes: 0, ended: true })
  if (/chunked\s*$/i.test(fieldOf(head, 'transfer-encoding') ?? '')) return chunked()
  const length = fieldOf(head, 'content-length')
  let left = length !== undefined && /^\d+$/.test(length) ? Number(length) : Number.POSITIVE_INFINITY
  return chunk => {
    const bytes = Math.min(chunk.length, left)
    left -= bytes
    return { bytes, ended: left <= 0 }
  }
}

function chunked(): Body {
  const body = new ChunkedBody()
  return chunk => {
    try {
      const end = body.push(chunk)
      return { bytes: end ?? chunk.length, ended: end !== undefined }
    } catch {
      // The client detects the same fault.
      return { bytes: chunk.length, ended: true }
    }
  }
}
