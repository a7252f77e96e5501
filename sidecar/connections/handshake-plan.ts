import type { IncomingMessage } from 'node:http'
import { confirmedUser, userOf } from '../../lib/proxy/handshake-user.ts'
import type { Plan } from '../../lib/proxy/plan.ts'
import { createConnectionId, isConnectionId } from '../../lib/routing/connection-id.ts'
import { behindBalancer, encodeKeyHeader } from '../../lib/routing/key/routing-key.ts'
import {
  CLIENT_REQUEST_HEADER,
  CONNECTION_HEADER,
  CONTROL_HEADER,
  HOP_HEADERS,
  INSTANCE_HEADER,
  PENDING_CLIENT_HEADER,
  USER_HEADER,
} from '../../lib/service/names.ts'
import type { ResponseHead } from '../../lib/websocket/response-head.ts'
import type { SidecarConfig } from '../config.ts'
import { SecretCache } from './secret-cache.ts'
import { assertTarget } from './target.ts'

/** The sidecar's state of a connection. */
export interface Identity {
  /** `undefined`: unknown; the connection can write to other users but cannot be addressed. */
  readonly user: string | undefined
  /** Id of the client's connection, in hex; the balancer sends the same id to each pod that the connection moves to. */
  readonly id: string
  /**
   * Key that identifies the connection on all pods: its id or, with an older balancer, the repeated Sec-WebSocket-Key.
   */
  readonly key: string
  /** Secret for control pings, if the connection came through a balancer. */
  readonly secret: Buffer | undefined
  /** The balancer has repeated the handshake here and will say when the client is served here. */
  readonly pending: boolean
}

/**
 * Creates the function that plans handshakes and plain requests to the pod's own app. The user is the one that the
 * balancer and the routing key name. Any client can claim to come through a balancer, so the balancer's word is checked
 * in addition to the other sources: all must name the same user. Without a balancer only the routing key counts.
 *
 * The function throws the errors of {@link assertTarget} and {@link userOf}.
 */
export function planner(
  config: Pick<SidecarConfig, 'ROUTING_KEY' | 'ON_MISSING_KEY' | 'APP_HOST' | 'APP_PORT' | 'TARGET'>,
  instance: string,
): (request: IncomingMessage, path: string) => Plan<Identity> {
  const secrets = new SecretCache()
  const withBalancer = behindBalancer(config.ROUTING_KEY)
  return ({ headers, rawHeaders }, path) => {
    assertTarget(config.TARGET, headers)
    const routingKey = headers[CLIENT_REQUEST_HEADER] === undefined ? config.ROUTING_KEY : withBalancer
    const user = userOf(routingKey, config.ON_MISSING_KEY, { url: path, rawHeaders })
    const secret = secrets.get([headers[CONTROL_HEADER]].flat()[0])
    const pending = secret !== undefined && headers[PENDING_CLIENT_HEADER] !== undefined
    // Accepted from a balancer only: a client's own header is no id.
    const given = secret && connectionIdOf(headers[CONNECTION_HEADER])
    const id = given ?? createConnectionId()
    const key = given ?? (secret ? (headers['sec-websocket-key'] ?? '') : id)
    return {
      host: config.APP_HOST,
      port: config.APP_PORT,
      drop: HOP_HEADERS,
      set: user === undefined ? {} : { [USER_HEADER]: encodeKeyHeader(user) },
      answer: { [INSTANCE_HEADER]: instance },
      context: { user, id, key, secret, pending },
      ...(secret && { extras: { secret: { client: secret } } }),
    }
  }
}

/**
 * The plan with the user named in the app's response, who is the user here from now on and is reported to a balancer.
 *
 * @throws the errors of {@link confirmedUser}
 */
export function confirmed(plan: Plan<Identity>, head: ResponseHead): Plan<Identity> {
  const user = confirmedUser(head)
  if (user === undefined) return plan
  const { answer, context } = plan
  return {
    ...plan,
    answer: context.secret ? { ...answer, [USER_HEADER]: encodeKeyHeader(user) } : answer,
    context: { ...context, user },
  }
}

const connectionIdOf = (id: string | string[] | undefined): string | undefined =>
  typeof id === 'string' && isConnectionId(id) ? id : undefined
