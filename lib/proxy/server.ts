import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import fastify, { type FastifyInstance } from 'fastify'
import { socketMark } from '../bridge/socket/socket-handler.ts'
import { fastifyLog } from '../service/log/fastify-log.ts'
import type { Logger } from '../service/log/log.ts'
import type { WireConfig } from './proxy-settings.ts'

/** How often Node checks for requests that take too long, in milliseconds. */
const CHECK_INTERVAL_MS = 1000

/**
 * How long an idle connection is kept, in milliseconds. Longer than the usual 60 s of proxies in front, so that the
 * proxy closes it: if this server closed it just as the proxy reused it, the client would get a 502.
 */
const KEEP_ALIVE_MS = 75_000

/** Sees requests before Fastify. */
export interface ServerFront {
  /** Takes a request; `false` leaves it to Fastify's routes. */
  takeRequest(request: IncomingMessage, response: ServerResponse): boolean
  /**
   * Whether a handshake may be taken. `false` if an earlier request on the connection is unanswered: its answer would
   * be written into the stream of frames.
   */
  mayUpgrade(request: IncomingMessage): boolean
}

/**
 * Makes a server for clients with a program's limits; it does not listen yet.
 *
 * @param front sees each plain request before Fastify, whose router must not parse paths that are passed on
 */
export function createServer(config: WireConfig, log: Logger, front: ServerFront): FastifyInstance {
  return fastify({
    ...fastifyLog(log),
    forceCloseConnections: true,
    serverFactory: handler =>
      createHttpServer(optionsOf(config, front), (request, response) => {
        if (!front.takeRequest(request, response)) handler(request, response)
      }),
  })
}

const optionsOf = (config: WireConfig, front: ServerFront): ServerOptions => ({
  highWaterMark: socketMark(config.MAX_QUEUE_BYTES),
  maxHeaderSize: config.MAX_HEADER_BYTES,
  headersTimeout: config.HANDSHAKE_TIMEOUT_MS,
  // Node's request timeout would end long uploads; the upstream's time limit ends a request without progress.
  requestTimeout: 0,
  keepAliveTimeout: KEEP_ALIVE_MS,
  // Any other offer, such as h2c, may be ignored (RFC 9110 §7.8): a plain request. Node before 24.9 answers 400.
  shouldUpgradeCallback: request => /websocket/i.test(request.headers.upgrade ?? '') && front.mayUpgrade(request),
  connectionsCheckingInterval: Math.min(config.HANDSHAKE_TIMEOUT_MS, CHECK_INTERVAL_MS),
  // Detects peers that vanished silently; responsive peers are not affected.
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
})
