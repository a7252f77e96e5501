import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import type { Metrics } from '../../../lib/service/metrics.ts'
import {
  CLIENT_REQUEST_HEADER,
  LINK_PROTOCOL,
  LINK_PROTOCOL_PREFIX,
  LINK_VERSION_HEADER,
  MESSAGE_PATH,
} from '../../../lib/service/names.ts'
import { AcceptedLinks, type AcceptedLinksOptions } from './accepted-links.ts'
import { LINK_VERSION, MAX_BATCH_BYTES } from './link-frames.ts'

export interface LinkRouteOptions extends AcceptedLinksOptions {
  readonly metrics: Metrics
}

/**
 * Whether a handshake is another sidecar's for a link, of any version: an unsupported version is refused here, and
 * never reaches the app. The balancer marks clients' requests, whose paths belong to the app.
 */
export function isLinkHandshake({
  method,
  url,
  headers,
}: Pick<IncomingMessage, 'method' | 'url' | 'headers'>): boolean {
  const protocol = headers['sec-websocket-protocol'] ?? ''
  return (
    // With any other method it is no handshake (RFC 6455 §4.1), and the route would never answer it.
    method === 'GET' &&
    url === MESSAGE_PATH &&
    /^[^\s,]+$/.test(protocol) &&
    protocol.startsWith(LINK_PROTOCOL_PREFIX) &&
    headers[CLIENT_REQUEST_HEADER] === undefined
  )
}

/**
 * The accepting end of the link transport, a Fastify plugin: `GET /message` as a WebSocket handshake with the links'
 * sub-protocol.
 */
export async function linkRoute(app: FastifyInstance, options: LinkRouteOptions): Promise<void> {
  const { gate, metrics } = options
  const handshakes = new EventEmitter()
  const links = new AcceptedLinks(options)
  metrics.gauge('links', 'Links that other sidecars have to this one.', {
    collect() {
      this.set(links.size)
    },
  })
  await app.register(websocket, {
    options: {
      // The plugin only gets the handshakes emitted here; clients' handshakes take another path.
      server: handshakes as Server,
      maxPayload: MAX_BATCH_BYTES,
      perMessageDeflate: false,
      handleProtocols: () => LINK_PROTOCOL,
    },
    errorHandler: (_error, socket) => socket.terminate(),
    preClose: done => {
      handshakes.removeAllListeners()
      links.leaveAll()
      done()
    },
  })
  // Only the response can carry the version: an older sidecar passes an unknown sub-protocol to its app, or refuses it.
  app.websocketServer.on('headers', headers => headers.push(`${LINK_VERSION_HEADER}: ${LINK_VERSION}`))
  app.addHook('onRequest', async request => {
    if (request.ws) await links.admit(request)
  })
  app.route({
    method: 'GET',
    url: MESSAGE_PATH,
    exposeHeadRoute: false,
    handler: (_request, reply) => reply.callNotFound(),
    wsHandler: (socket, { raw }) => links.accept(socket, raw),
  })
  app.server.on('upgrade', (request: IncomingMessage, socket, head) => {
    if (isLinkHandshake(request) && gate.isPeer(request) && !handshakes.emit('upgrade', request, socket, head))
      socket.destroy()
  })
}
