import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { serviceError } from '../lib/service/errors.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import {
  CLIENT_REQUEST_HEADER,
  LINK_PROTOCOL,
  MEMBER_HEADER,
  MESSAGE_PATH,
  SENDER_HEADER,
} from '../lib/service/names.ts'
import type { PeerCheck } from '../lib/service/token.ts'
import { CLOSE } from '../lib/wire/close-codes.ts'
import { MAX_BATCH_BYTES } from '../lib/wire/transport/link-frames.ts'
import { LinkReceiver, type LinkReceiverLimits } from '../lib/wire/transport/link-receiver.ts'
import type { Inbox } from '../lib/wire/transport/transport.ts'

/** Most links at a time: far more than an app has pods. Who gets none uses HTTP. */
const MAX_LINKS = 2000

/** A sender pings its link every few seconds; one on which nothing comes for that long has lost it, in milliseconds. */
const SILENCE_MS = 30_000

/** Whether a handshake is another sidecar's for a link. The balancer marks what comes from clients, whose paths are the app's. */
export function isLinkHandshake({ url, headers }: Pick<IncomingMessage, 'url' | 'headers'>): boolean {
  return (
    url === MESSAGE_PATH &&
    headers['sec-websocket-protocol'] === LINK_PROTOCOL &&
    headers[CLIENT_REQUEST_HEADER] === undefined
  )
}

/** The accepting end of the link transport: `GET /message` as a WebSocket handshake with the sub-protocol of links. */
export async function linkRoute(
  app: FastifyInstance,
  inbox: Inbox,
  checkPeer: PeerCheck,
  limits: LinkReceiverLimits,
  metrics: Metrics,
): Promise<void> {
  const handshakes = new EventEmitter()
  /** By sender. */
  const links = new Map<string, LinkReceiver>()
  metrics.gauge('links', 'Links that other sidecars have to this one.', {
    collect() {
      this.set(links.size)
    },
  })
  await app.register(async scope => {
    await scope.register(websocket, {
      options: {
        // The plugin takes only what is handed to it here: handshakes of clients go another way.
        server: handshakes as Server,
        maxPayload: MAX_BATCH_BYTES,
        perMessageDeflate: false,
        handleProtocols: () => LINK_PROTOCOL,
      },
      errorHandler: (_error, socket) => socket.terminate(),
      preClose: done => {
        handshakes.removeAllListeners()
        for (const link of links.values()) link.leave(CLOSE.SERVICE_RESTART, 'service restart')
        done()
      },
    })
    scope.addHook('onRequest', async request => {
      if (!request.ws) return
      await checkPeer(request)
      for (const name of [SENDER_HEADER, MEMBER_HEADER])
        if (request.headers[name] === undefined) throw serviceError('BAD_MESSAGE', `the header ${name} is missing`)
      if (links.size >= MAX_LINKS) throw serviceError('FULL', MAX_LINKS)
    })
    scope.route({
      method: 'GET',
      url: MESSAGE_PATH,
      exposeHeadRoute: false,
      handler: (_request, reply) => reply.callNotFound(),
      wsHandler: (socket, { raw, headers }) => {
        const sender = String(headers[SENDER_HEADER])
        const member = String(headers[MEMBER_HEADER])
        // It has given the older one up. What is still unread there must not arrive after what comes now.
        links.get(sender)?.terminate()
        const link = new LinkReceiver(socket, inbox, { sender, member }, limits)
        links.set(sender, link)
        socket.once('close', () => {
          if (links.get(sender) === link) links.delete(sender)
        })
        raw.socket.setTimeout(SILENCE_MS, () => link.terminate())
      },
    })
  })
  app.server.on('upgrade', (request: IncomingMessage, socket, head) => {
    if (isLinkHandshake(request) && !handshakes.emit('upgrade', request, socket, head)) socket.destroy()
  })
}
