import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Scope } from '../helpers/stack.ts'

/** Far above every buffer on the way, and below the default limit for a message. */
export const LARGE_BYTES = 8 * 1024 * 1024

/** Random bytes, so that nothing that is lost, doubled or swapped goes unnoticed. */
export const largeBinary = (): Buffer => randomBytes(LARGE_BYTES)

/** SHA-256 in hexadecimal. */
export const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** An app that is made of a library's own HTTP server. */
export interface HttpApp {
  readonly port: number
  /** Handshakes that reached it, in order. */
  readonly handshakes: IncomingMessage[]
  /** Its open WebSocket connections, below the library. */
  readonly sockets: Set<Socket>
}

/** Lets a server listen on a free port of 127.0.0.1 until the test has ended. */
export async function listen(t: Scope, server: Server): Promise<HttpApp> {
  const handshakes: IncomingMessage[] = []
  const sockets = new Set<Socket>()
  server.prependListener('upgrade', (request, socket) => {
    handshakes.push(request)
    sockets.add(socket as Socket)
    socket.once('close', () => sockets.delete(socket as Socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    return new Promise(resolve => server.close(resolve))
  })
  return { port: (server.address() as AddressInfo).port, handshakes, sockets }
}
