import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server } from 'node:http'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'
import { serviceError } from '../../../lib/service/http/errors.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'
import type { Metrics } from '../../../lib/service/metrics.ts'
import {
  CLIENT_REQUEST_HEADER,
  LINK_PROTOCOL,
  LINK_PROTOCOL_PREFIX,
  LINK_VERSION_HEADER,
  MESSAGE_PATH,
  SENDER_HEADER,
} from '../../../lib/service/names.ts'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import type { PeerGate } from '../../peers/peer-gate.ts'
import { readMemberHeader } from '../member-header.ts'
import type { Receiver } from '../transport.ts'
import { IncompleteFrames } from './incomplete-frames.ts'
import { LINK_VERSION, MAX_BATCH_BYTES } from './link-frames.ts'
import { LinkReceiver, type LinkReceiverLimits } from './link-receiver.ts'

/** Most links at a time: far more than an app has pods. Who gets none uses HTTP. */
const MAX_LINKS = 2000

export interface LinkRouteLimits extends LinkReceiverLimits {
  readonly maxLinks?: number
  /** Of what all links hold. */
  readonly memory?: Allotment
}

/** A sender pings its link every few seconds; one on which nothing comes for that long has lost it, in milliseconds. */
const SILENCE_MS = 30_000

/**
 * Whether a handshake is another sidecar's for a link, of whatever version: one that we do not speak is refused here, and the app
 * hears nothing of it. The balancer marks what comes from clients, whose paths are the app's.
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

/** The accepting end of the link transport: `GET /message` as a WebSocket handshake with the sub-protocol of links. */
export async function linkRoute(
  app: FastifyInstance,
  inbox: Receiver,
  gate: PeerGate,
  { maxLinks = MAX_LINKS, memory, ...limits }: LinkRouteLimits,
  metrics: Metrics,
): Promise<void> {
  const handshakes = new EventEmitter()
  /** By sender. */
  const links = new Map<string, LinkReceiver>()
  const incomplete = new IncompleteFrames(limits.maxMessageBytes, undefined, memory)
  /** Handshakes of those whose member name is proven. */
  const proven = new WeakSet<IncomingMessage>()
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
    // Only the answer tells: an older sidecar passes a sub-protocol that it does not know to its app, or refuses it.
    scope.websocketServer.on('headers', headers => headers.push(`${LINK_VERSION_HEADER}: ${LINK_VERSION}`))
    scope.addHook('onRequest', async request => {
      if (!request.ws) return
      const standing = await gate.admit(request.raw)
      const protocol = request.headers['sec-websocket-protocol']
      if (protocol !== LINK_PROTOCOL)
        throw serviceError('BAD_MESSAGE', `links here are ${LINK_PROTOCOL}, not ${protocol}`)
      if (request.headers[SENDER_HEADER] === undefined)
        throw serviceError('BAD_MESSAGE', `the header ${SENDER_HEADER} is missing`)
      const member = readMemberHeader(request.headers)
      // A member stays one to us for as long as this link lives, also when it is not ready and no list has it: it is the same process.
      if (gate.proves(request.raw, standing, member) || inbox.knows(member)) proven.add(request.raw)
      // One that comes again has its place: its older link ends.
      if (links.size >= maxLinks && !links.has(String(request.headers[SENDER_HEADER])))
        throw serviceError('FULL', maxLinks)
    })
    scope.route({
      method: 'GET',
      url: MESSAGE_PATH,
      exposeHeadRoute: false,
      handler: (_request, reply) => reply.callNotFound(),
      wsHandler: (socket, { raw, headers }) => {
        const sender = String(headers[SENDER_HEADER])
        const member = readMemberHeader(headers)
        // It has given the older one up. What is still unread there must not arrive after what comes now.
        links.get(sender)?.terminate()
        const link = new LinkReceiver(socket, inbox, { sender, member, proven: proven.has(raw) }, limits, incomplete)
        links.set(sender, link)
        socket.once('close', () => {
          if (links.get(sender) === link) links.delete(sender)
        })
        raw.socket.setTimeout(SILENCE_MS, () => link.terminate())
      },
    })
  })
  app.server.on('upgrade', (request: IncomingMessage, socket, head) => {
    if (isLinkHandshake(request) && gate.isPeer(request) && !handshakes.emit('upgrade', request, socket, head))
      socket.destroy()
  })
}
