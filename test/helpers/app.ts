import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import type { Scope } from './stack.ts'

/** A WebSocket app as users have them: its sockets in memory, knowing nothing of sidecars. */
export interface App {
  readonly port: number
  readonly http: Server
  readonly server: WebSocketServer
  /** Handshakes that reached it, in order. */
  readonly handshakes: IncomingMessage[]
  /** Text and binary messages that reached it, in order. */
  readonly received: { user: string; data: Buffer; binary: boolean }[]
  /** Ends as a killed process does: it listens no more, and its connections are cut. */
  stop(): Promise<void>
}

export interface AppOptions {
  /** The port of one that has stopped, to start it again; a free one by default. */
  port?: number
  /** Called for each connection; by default everything is echoed. */
  onConnection?: (socket: WebSocket, request: IncomingMessage, app: App) => void
  options?: ServerOptions
  /** Answers handshakes with this status instead. */
  refuse?: { status: number; headers?: Record<string, string | string[]>; body?: string }
}

/** Starts an app on a port of 127.0.0.1. */
export async function startApp(
  t: Scope,
  { port = 0, onConnection, options = {}, refuse }: AppOptions = {},
): Promise<App> {
  const http = createServer()
  const server = new WebSocketServer({ noServer: true, ...options })
  const stop = async () => {
    const closed = new Promise<void>(resolve => http.close(() => resolve()))
    for (const client of server.clients) client.terminate()
    http.closeAllConnections()
    await closed
  }
  const app: App = { port: 0, http, server, handshakes: [], received: [], stop }
  http.on('upgrade', (request, socket, head) => {
    app.handshakes.push(request)
    if (refuse) {
      const fields = Object.entries({
        'Content-Length': String(Buffer.byteLength(refuse.body ?? '')),
        Connection: 'close',
        ...refuse.headers,
      })
      const lines = fields.flatMap(([name, values]) => [values].flat().map(value => `${name}: ${value}\r\n`))
      socket.end(`HTTP/1.1 ${refuse.status} Refused\r\n${lines.join('')}\r\n${refuse.body ?? ''}`)
      return
    }
    server.handleUpgrade(request, socket, head, ws => server.emit('connection', ws, request))
  })
  server.on('connection', (socket: WebSocket, request: IncomingMessage) => {
    socket.on('error', () => {})
    const user = String(request.headers['ws-user-id'] ?? '')
    socket.on('message', (data: Buffer, binary: boolean) => app.received.push({ user, data, binary }))
    if (onConnection) onConnection(socket, request, app)
    else socket.on('message', (data: Buffer, binary: boolean) => socket.send(data, { binary }))
  })
  await new Promise<void>(resolve => http.listen(port, '127.0.0.1', resolve))
  t.teardown(stop)
  return Object.assign(app, { port: (http.address() as AddressInfo).port })
}

/** A chat app: what is addressed to somebody goes to their sockets, if they are on this pod. */
export function chat(socket: WebSocket, request: IncomingMessage, app: App): void {
  const user = String(request.headers['ws-user-id'] ?? '')
  Object.assign(socket, { user })
  socket.on('message', (data: Buffer) => {
    const { recipientId } = JSON.parse(data.toString()) as { recipientId: string }
    for (const other of app.server.clients) {
      if ((other as WebSocket & { user?: string }).user === recipientId && other.readyState === WebSocket.OPEN)
        other.send(data.toString())
    }
  })
}
