import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer, type Socket } from 'node:net'
import type { Scope } from './stack.ts'

/** An app's plain side: what it answers is up to the test. */
export async function startHttp(t: Scope, answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(answer)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port }
}

export interface Answer {
  readonly status: number | undefined
  readonly message: string | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** A request as it is, without what `fetch` would add or normalise. */
export function ask(
  port: number,
  options: { method?: string; path?: string; headers?: Record<string, string | string[]>; body?: Buffer } = {},
): Promise<Answer> {
  const { body, ...rest } = options
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port, ...rest }, response => {
      response.toArray().then(
        chunks =>
          resolve({
            status: response.statusCode,
            message: response.statusMessage,
            headers: response.headers,
            body: Buffer.concat(chunks as Buffer[]).toString(),
          }),
        reject,
      )
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

/** An app by hand: it gets the connection of each request and what has come on it. Answers are up to the test, odd ones too. */
export async function startTcp(t: Scope, answer: (socket: Socket, chunk: Buffer) => void) {
  const open = new Set<Socket>()
  const server = createTcpServer(socket => {
    open.add(socket)
    socket.on('close', () => open.delete(socket)).on('error', () => {})
    socket.on('data', chunk => answer(socket, chunk))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port }
}

/** Sends bytes as they are, and resolves with all that comes until the other side ends. */
export function askRaw(t: Scope, port: number, text: string): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(text, 'latin1')
  return socket.toArray().then(chunks => Buffer.concat(chunks).toString('latin1'))
}
