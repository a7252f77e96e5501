import type { IncomingMessage } from 'node:http'
import { confirmedUser, userOf } from '../../lib/proxy/handshake-user.ts'
import type { Plan } from '../../lib/proxy/plan.ts'
import { parseSecret } from '../../lib/rehome/control-pings.ts'
import { createConnectionId, isConnectionId } from '../../lib/routing/connection-id.ts'
import { encodeKeyHeader, parseRoutingKey } from '../../lib/routing/key/routing-key.ts'
import {
  ARRIVING_HEADER,
  CLIENT_REQUEST_HEADER,
  CONNECTION_HEADER,
  CONTROL_HEADER,
  HOP_HEADERS,
  INSTANCE_HEADER,
  USER_HEADER,
} from '../../lib/service/names.ts'
import type { ResponseHead } from '../../lib/websocket/response-head.ts'
import type { SidecarConfig } from '../config.ts'
import { assertTarget } from './target.ts'

/** What the sidecar remembers of a connection. */
export interface Identity {
  /** `undefined`: nobody knows; the connection can write to others but cannot be addressed. */
  readonly user: string | undefined
  /** Of the client's connection, in hexadecimal digits: the balancer says the same to each pod that the connection is moved to. */
  readonly id: string
  /** By which it is known on other pods too: the id, or what an older balancer repeats everywhere (Sec-WebSocket-Key). */
  readonly key: string
  /** Of the control pings of the balancer that it came through. */
  readonly secret: Buffer | undefined
  /** The balancer has repeated the handshake here and will say when the client is served here. */
  readonly arriving: boolean
}

/** Secrets of the balancers, so that connections share them; there are as many as balancer processes. */
const secrets = new Map<string, Buffer>()
const MAX_SECRETS = 1000

function secretOf(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined
  const known = secrets.get(text)
  if (known) return known
  const secret = parseSecret(text)
  if (!secret) return undefined
  if (secrets.size >= MAX_SECRETS) secrets.clear()
  secrets.set(text, secret)
  return secret
}

/**
 * Makes the function that sends a handshake, or a plain request, to the pod's own app. The user is whom the balancer and the routing key
 * name. Anybody can claim to come through a balancer, so its word is one place more, and not one instead of the others: all have to
 * name the same user. Without a balancer only the routing key counts.
 *
 * The function throws what {@link assertTarget} and {@link userOf} throw.
 */
export function planner(
  config: Pick<SidecarConfig, 'ROUTING_KEY' | 'ON_MISSING_KEY' | 'APP_HOST' | 'APP_PORT' | 'TARGET'>,
  instance: string,
): (request: IncomingMessage, path: string) => Plan<Identity> {
  const behindBalancer = parseRoutingKey(`header:${USER_HEADER},${config.ROUTING_KEY.text}`)
  return ({ headers, rawHeaders }, path) => {
    assertTarget(config.TARGET, headers)
    const routingKey = headers[CLIENT_REQUEST_HEADER] === undefined ? config.ROUTING_KEY : behindBalancer
    const user = userOf(routingKey, config.ON_MISSING_KEY, { url: path, rawHeaders })
    const secret = secretOf([headers[CONTROL_HEADER]].flat()[0])
    const arriving = secret !== undefined && headers[ARRIVING_HEADER] !== undefined
    // Of a balancer only: what a client sends by itself is no id.
    const given = secret && connectionIdOf(headers[CONNECTION_HEADER])
    const id = given ?? createConnectionId()
    const key = given ?? (secret ? (headers['sec-websocket-key'] ?? '') : id)
    return {
      host: config.APP_HOST,
      port: config.APP_PORT,
      drop: HOP_HEADERS,
      set: user === undefined ? {} : { [USER_HEADER]: encodeKeyHeader(user) },
      answer: { [INSTANCE_HEADER]: instance },
      context: { user, id, key, secret, arriving },
      ...(secret && { extras: { secret: { client: secret } } }),
    }
  }
}

/**
 * The plan with the user that the app has named in its answer, who is the user here from now on, and whom a balancer is told.
 *
 * @throws what {@link confirmedUser} throws
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
