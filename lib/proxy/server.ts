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

/** How often Node looks for requests that take too long, in milliseconds. */
const CHECK_INTERVAL_MS = 1000

/**
 * How long an idle connection is kept, in milliseconds: longer than usual proxies in front keep theirs (60 s), so that the proxy
 * ends it. If this server ended it while the proxy was reusing it, the client would get a 502.
 */
const KEEP_ALIVE_MS = 75_000

/** The part of a server in front of Fastify. */
export interface ServerFront {
  /** Takes a request; `false` leaves it to Fastify's routes. */
  takeRequest(request: IncomingMessage, response: ServerResponse): boolean
  /**
   * Whether a handshake may be taken: not behind a request that has no answer yet, whose answer would come after ours, within a
   * stream of frames.
   */
  mayUpgrade(request: IncomingMessage): boolean
}

/**
 * Makes a server for clients with a program's limits; it does not listen yet.
 *
 * @param front sees each plain request before Fastify: a router must not read paths that are passed on
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
  // Node's limit for a whole request would end long uploads; a request without progress ends with its upstream's time limit.
  requestTimeout: 0,
  keepAliveTimeout: KEEP_ALIVE_MS,
  // Any other offer, such as h2c, may be ignored (RFC 9110 §7.8): a plain request. Before Node 24.9 it gets 400.
  shouldUpgradeCallback: request => /websocket/i.test(request.headers.upgrade ?? '') && front.mayUpgrade(request),
  connectionsCheckingInterval: Math.min(config.HANDSHAKE_TIMEOUT_MS, CHECK_INTERVAL_MS),
  // Finds peers that vanished without a word, at no cost to those that did not.
  keepAlive: true,
  keepAliveInitialDelay: 30_000,
})
