import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import fastify, { type FastifyInstance } from 'fastify'
import { socketMark } from '../bridge/socket/socket-handler.ts'
import type { ClientConnections } from '../service/http/client-connections.ts'
import type { WireConfig } from './proxy-settings.ts'

/** How often Node looks for requests that take too long, in milliseconds. */
const CHECK_INTERVAL_MS = 1000

/**
 * How long a connection without a request is kept, in milliseconds: longer than usual proxies in front keep theirs (60 s), so that
 * it is they who end it. One that ended here in the moment in which it is used again would be a 502 for somebody.
 */
const KEEP_ALIVE_MS = 75_000

/** Takes a request that is not for our own routes; `false` leaves it to them. */
export type Claim = (request: IncomingMessage, response: ServerResponse) => boolean

/**
 * A server for clients with a program's limits; it does not listen yet.
 *
 * @param claim sees each plain request before Fastify does: a path that is passed on must not be read by a router
 * @param connections all of its connections, until they are WebSockets
 */
export function createServer(config: WireConfig, claim: Claim, connections: ClientConnections): FastifyInstance {
  const app = fastify({
    logger: false,
    forceCloseConnections: true,
    serverFactory: handler =>
      createHttpServer(
        {
          highWaterMark: socketMark(config.MAX_QUEUE_BYTES),
          maxHeaderSize: config.MAX_HEADER_BYTES,
          headersTimeout: config.HANDSHAKE_TIMEOUT_MS,
          // Node's limit for a whole request would end long uploads; one from which nothing comes ends with its upstream's.
          requestTimeout: 0,
          keepAliveTimeout: KEEP_ALIVE_MS,
          // Any other offer, such as h2c, may be ignored (RFC 9110 §7.8): a plain request. Before Node 24.9 it gets 400. So may one
          // behind a request that has no answer yet, or that answer would come after ours, in the middle of a stream of frames.
          shouldUpgradeCallback: ({ headers, socket }) =>
            /websocket/i.test(headers.upgrade ?? '') && connections.requests(socket) === 0,
          connectionsCheckingInterval: Math.min(config.HANDSHAKE_TIMEOUT_MS, CHECK_INTERVAL_MS),
          // Finds peers that vanished without a word, at no cost to those that did not.
          keepAlive: true,
          keepAliveInitialDelay: 30_000,
        },
        (request, response) => {
          if (!claim(request, response)) handler(request, response)
        },
      ),
  })
  connections.attach(app.server)
  return app
}
