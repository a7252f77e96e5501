import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { type WebSocket, WebSocketServer } from 'ws'

/** How long `/late` takes to accept a handshake. */
export const LATE_MS = 40

const FLOOD_MESSAGE = Buffer.alloc(65_536, 'x')

/**
 * The app behind the sidecars: it echoes, and ends connections in the way that a message asks for. `GET /connections` says how
 * many it has.
 */
function serve(socket: WebSocket): void {
  socket.on('error', () => {})
  socket.on('message', (data: Buffer, binary: boolean) => {
    const [word, argument] = binary || data.length > 100 ? [] : data.toString().split(' ')
    if (word === 'close') socket.close(Number(argument), 'as you wish')
    else if (word === 'terminate') socket.terminate()
    else if (word === 'flood') for (let n = 0; n < Number(argument); n++) socket.send(FLOOD_MESSAGE)
    else socket.send(data, { binary })
  })
}

if (import.meta.main) {
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 2 ** 24 })
  sockets.on('connection', serve)
  const accept = (request: IncomingMessage, socket: Duplex, head: Buffer) =>
    sockets.handleUpgrade(request, socket, head, ws => sockets.emit('connection', ws))
  const http = createServer((request, response) => {
    response.end(request.url === '/connections' ? String(sockets.clients.size) : FLOOD_MESSAGE)
  })
  http.on('upgrade', (request, socket, head) => {
    socket.on('error', () => {})
    if (request.url === '/refuse')
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno')
    else if (request.url === '/drop') socket.destroy()
    // No answer: whoever asks has to give up. Reading on is what shows that they have.
    else if (request.url === '/hang') socket.on('end', () => socket.end()).resume()
    else setTimeout(accept, request.url === '/late' ? LATE_MS : 0, request, socket, head)
  })
  http.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 }, () =>
    process.send?.((http.address() as AddressInfo).port),
  )
}
