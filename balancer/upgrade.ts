import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { MemberSet } from '../lib/routing/rendezvous.ts'
import { encodeKeyHeader } from '../lib/routing/routing-key.ts'
import { serviceError } from '../lib/service/errors.ts'
import {
  CLIENT_REQUEST_HEADER,
  PROXY_INSTANCE_HEADER,
  UPSTREAM_HOST_HEADER,
  USER_HEADER,
} from '../lib/service/names.ts'
import { FORWARDED_NAMES, forwardedFields } from '../lib/wire/handshake.ts'
import type { Plan } from '../lib/wire/proxy.ts'
import { userOf } from '../lib/wire/user.ts'
import type { BalancerConfig } from './config.ts'

/** A client's own claim of these never passes. */
const FORGEABLE: ReadonlySet<string> = new Set([USER_HEADER, CLIENT_REQUEST_HEADER, ...FORWARDED_NAMES])

/** What the balancer remembers of a connection. */
export interface Placement {
  /** `undefined`: nobody knows, so the connection is on any member and cannot be addressed. */
  readonly user: string | undefined
  readonly member: string
}

/**
 * Finds the owner of a handshake's user.
 *
 * @throws `WSO_ERR_NO_OWNER` (503) without members, and what {@link userOf} throws
 */
export function planUpgrade(
  config: Pick<BalancerConfig, 'ROUTING_KEY' | 'ON_MISSING_KEY'>,
  members: MemberSet,
  instance: string,
  request: IncomingMessage,
  path: string,
): Plan<Placement> {
  const user = userOf(config.ROUTING_KEY, config.ON_MISSING_KEY, { url: path, headers: request.headers })
  const owner = members.owner(user ?? randomUUID())
  if (!owner) throw serviceError('NO_OWNER')
  return {
    host: owner.host,
    port: owner.port,
    drop: FORGEABLE,
    set: {
      [CLIENT_REQUEST_HEADER]: 'true',
      ...forwardedFields(request, request.socket.remoteAddress ?? 'unknown', request.headers.host ?? ''),
      ...(user !== undefined && { [USER_HEADER]: encodeKeyHeader(user) }),
    },
    answer: { [PROXY_INSTANCE_HEADER]: instance, [UPSTREAM_HOST_HEADER]: owner.name },
    context: { user, member: owner.name },
  }
}
