import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { type RawData, type WebSocket, WebSocketServer } from 'ws'

/** What the app does with a connection, by its path; anything else: it echoes. */
const FLOOD = '/flood'
const SINK = '/sink'

/** A binary frame of 16 KiB. */
const FLOOD_FRAME = Buffer.concat([Buffer.of(0x82, 126, 0x40, 0), Buffer.alloc(16_384, 'f')])

// The app of a program that is attacked, as a process of its own: outside of the cgroup, and it can be stopped.
const server = createServer((request, response) => {
  if (request.url === FLOOD) pour(response)
  else if (request.method === 'GET') response.end()
})
const sockets = new WebSocketServer({ server, maxPayload: 1 << 30 })
sockets.on('connection', (socket, { url }) => {
  socket.on('error', () => {})
  if (url === FLOOD) flood(socket)
  else if (url !== SINK)
    socket.on('message', (data: RawData, binary: boolean) => socket.send(data as Buffer, { binary }))
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('disconnect', () => process.exit())

/** Sends as fast as the other end takes it, once it has been told to begin. */
function flood(socket: WebSocket): void {
  pour((socket as unknown as { _socket: Socket })._socket)
}

function pour(stream: Writable): void {
  const more = () => {
    while (!stream.destroyed && stream.writable && stream.write(FLOOD_FRAME));
  }
  stream.on('drain', more)
  more()
}
