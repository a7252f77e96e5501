import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { type WebSocket, WebSocketServer } from 'ws'

/** A server that does with the message of this number whatever a bad proxy would. */
export async function serve(
  t: Tap,
  answer: (socket: WebSocket, data: Buffer, number: number) => void,
): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', socket => {
    let number = 0
    socket.on('message', (data: Buffer) => answer(socket, data, number++))
  })
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    return new Promise(resolve => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

type Tap = { teardown(action: () => unknown): void }

/** What a correct app does. */
export const echo = (socket: WebSocket, data: Buffer) => socket.send(String(data))
export const job = { bytes: 128, pids: [], warmupMs: 0, measureMs: 200 }
export const clients = (port: number) => [{ user: 'user-1', port }]
