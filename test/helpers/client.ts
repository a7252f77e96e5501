import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
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

/** What a refused handshake was answered. */
export interface Refusal {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface ConnectOptions extends Omit<ClientOptions, 'headers'> {
  user?: string
  path?: string
  protocols?: string[]
  headers?: Record<string, string | string[]>
}

/** Connects, and waits until the handshake is done; a refusal is an error. */
export async function connect(t: Scope, target: number | string, options: ConnectOptions = {}): Promise<Client> {
  const result = await handshake(t, target, options)
  if ('body' in result) throw new Error(`refused with ${result.status}: ${result.body}`)
  return result
}

/** Connects where the handshake must be refused. */
export async function refusal(t: Scope, target: number | string, options: ConnectOptions = {}): Promise<Refusal> {
  const result = await handshake(t, target, options)
  if (!('body' in result)) throw new Error('the handshake was accepted')
  return result
}

async function handshake(
  t: Scope,
  target: number | string,
  { user, path = '/', protocols, headers = {}, ...options }: ConnectOptions,
): Promise<Client | Refusal> {
  const base = typeof target === 'number' ? `ws://127.0.0.1:${target}` : target
  const socket = new WebSocket(`${base}/`, protocols ?? [], {
    perMessageDeflate: false,
    ...options,
    headers: { ...(user !== undefined && { 'ws-user-id': user }), ...headers } as Record<string, string>,
    // The constructor would normalise the path.
    finishRequest: request => {
      request.path = path
      request.end()
    },
  })
  const messages: { data: Buffer; binary: boolean }[] = []
  let response: IncomingMessage | undefined
  socket.on('message', (data: Buffer, binary: boolean) => messages.push({ data, binary }))
  socket.on('upgrade', message => {
    response = message
  })
  const closed = new Promise<{ code: number; reason: string }>(resolve =>
    socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })),
  )
  t.teardown(() => socket.terminate())
  const refused = await new Promise<Refusal | undefined>((resolve, reject) => {
    socket.once('open', () => resolve(undefined))
    socket.on('error', reject)
    socket.once('unexpected-response', (_request, answer: IncomingMessage) => {
      answer.toArray().then(
        chunks =>
          resolve({
            status: answer.statusCode,
            headers: answer.headers,
            body: Buffer.concat(chunks as Buffer[]).toString(),
          }),
        reject,
      )
    })
  })
  if (refused) return refused
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
