import type { IncomingMessage } from 'node:http'
import { encodeKeyHeader, parseRoutingKey } from '../lib/routing/routing-key.ts'
import { CLIENT_REQUEST_HEADER, INSTANCE_HEADER, USER_HEADER } from '../lib/service/names.ts'
import type { Plan } from '../lib/wire/proxy.ts'
import { userOf } from '../lib/wire/user.ts'
import type { SidecarConfig } from './config.ts'

const FROM_BALANCER = parseRoutingKey(`header:${USER_HEADER}`)

/** Set anew here, or not meant for the app. */
const BETWEEN_US: ReadonlySet<string> = new Set([USER_HEADER, CLIENT_REQUEST_HEADER])

/** What the sidecar remembers of a connection. */
export interface Identity {
  /** `undefined`: nobody knows; the connection can write to others but cannot be addressed. */
  readonly user: string | undefined
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
  return {
    host: config.APP_HOST,
    port: config.APP_PORT,
    drop: BETWEEN_US,
    set: user === undefined ? {} : { [USER_HEADER]: encodeKeyHeader(user) },
    answer: { [INSTANCE_HEADER]: instance },
    context: { user },
  }
}
