import type { IncomingMessage } from 'node:http'
import { encodeKeyHeader, parseRoutingKey } from '../lib/routing/routing-key.ts'
import {
  ARRIVING_HEADER,
  CLIENT_REQUEST_HEADER,
  CONTROL_HEADER,
  INSTANCE_HEADER,
  USER_HEADER,
} from '../lib/service/names.ts'
import { parseSecret } from '../lib/wire/control.ts'
import type { Plan } from '../lib/wire/proxy.ts'
import { userOf } from '../lib/wire/user.ts'
import type { SidecarConfig } from './config.ts'

const FROM_BALANCER = parseRoutingKey(`header:${USER_HEADER}`)

/** Set anew here, or not meant for the app. */
const BETWEEN_US: ReadonlySet<string> = new Set([USER_HEADER, CLIENT_REQUEST_HEADER, CONTROL_HEADER, ARRIVING_HEADER])

/** What the sidecar remembers of a connection. */
export interface Identity {
  /** `undefined`: nobody knows; the connection can write to others but cannot be addressed. */
  readonly user: string | undefined
  /** Key of the client's connection (Sec-WebSocket-Key): the balancer repeats it to each pod that the connection is moved to. */
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
 * Sends a handshake to the pod's own app. The user is whom the balancer says; where no balancer is in front, the routing key
 * is looked for here.
 *
 * @throws what {@link userOf} throws
 */
export function planUpgrade(
  config: Pick<SidecarConfig, 'ROUTING_KEY' | 'ON_MISSING_KEY' | 'APP_HOST' | 'APP_PORT'>,
  instance: string,
  request: IncomingMessage,
  path: string,
): Plan<Identity> {
  const handshake = { url: path, headers: request.headers }
  const user =
    userOf(FROM_BALANCER, 'random', handshake) ?? userOf(config.ROUTING_KEY, config.ON_MISSING_KEY, handshake)
  const secret = secretOf([request.headers[CONTROL_HEADER]].flat()[0])
  const arriving = secret !== undefined && request.headers[ARRIVING_HEADER] !== undefined
  return {
    host: config.APP_HOST,
    port: config.APP_PORT,
    drop: BETWEEN_US,
    set: user === undefined ? {} : { [USER_HEADER]: encodeKeyHeader(user) },
    answer: { [INSTANCE_HEADER]: instance },
    context: { user, key: request.headers['sec-websocket-key'] ?? '', secret, arriving },
    ...(secret && { extras: { secret: { client: secret } } }),
  }
}
