import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { type ClientOptions, WebSocket } from 'ws'
import type { Scope } from './stack.ts'
import { waitFor } from './wait.ts'

/** A client that keeps what it has received. */
export interface Client {
  readonly socket: WebSocket
  readonly response: IncomingMessage
  readonly messages: { data: Buffer; binary: boolean }[]
  readonly texts: string[]
  readonly closed: Promise<{ code: number; reason: string }>
  /** Waits until it has received that many messages. */
  received(count: number): Promise<void>
  send(data: string | Buffer): void
}

/** Connects, and waits until the handshake is done. Rejects with `status` where it was refused. */
export async function connect(
  t: Scope,
  target: number | string,
  {
    user,
    path = '/',
    protocols,
    ...options
  }: ClientOptions & { user?: string; path?: string; protocols?: string[] } = {},
): Promise<Client> {
  const base = typeof target === 'number' ? `ws://127.0.0.1:${target}` : target
  const headers = { ...(user !== undefined && { 'ws-user-id': user }), ...options.headers }
  const socket = new WebSocket(`${base}${path}`, protocols ?? [], { perMessageDeflate: false, ...options, headers })
  const messages: { data: Buffer; binary: boolean }[] = []
  let response: IncomingMessage | undefined
  socket.on('message', (data: Buffer, binary: boolean) => messages.push({ data, binary }))
  socket.on('upgrade', message => {
    response = message
  })
  const closed = once(socket, 'close').then(([code, reason]) => ({ code: code as number, reason: String(reason) }))
  t.teardown(() => socket.terminate())
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.on('error', reject)
    socket.once('unexpected-response', (_request, refusal: IncomingMessage) => {
      const chunks: Buffer[] = []
      refusal.on('data', chunk => chunks.push(chunk))
      refusal.on('end', () =>
        reject(
          Object.assign(new Error(`refused with ${refusal.statusCode}`), {
            status: refusal.statusCode,
            headers: refusal.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        ),
      )
    })
  })
  return {
    socket,
    response: response as IncomingMessage,
    messages,
    get texts() {
      return messages.filter(message => !message.binary).map(message => message.data.toString())
    },
    closed,
    received: count => waitFor(() => messages.length >= count, `${count} messages, ${messages.length} are there`),
    send: data => socket.send(data),
  }
}
