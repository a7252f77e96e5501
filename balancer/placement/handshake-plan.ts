import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { FORWARDED_NAMES, forwardedFields } from '../../lib/proxy/handshake.ts'
import { confirmedUser, userOf } from '../../lib/proxy/handshake-user.ts'
import type { Plan } from '../../lib/proxy/plan.ts'
import { formatSecret } from '../../lib/rehome/control-pings.ts'
import { createConnectionId } from '../../lib/routing/connection-id.ts'
import { encodeKeyHeader } from '../../lib/routing/key/routing-key.ts'
import type { Member } from '../../lib/routing/members.ts'
import { serviceError } from '../../lib/service/http/errors.ts'
import {
  CLIENT_REQUEST_HEADER,
  CONNECTION_HEADER,
  CONTROL_HEADER,
  HOP_HEADERS,
  PROXY_INSTANCE_HEADER,
  TARGET_HEADER,
  UPSTREAM_HOST_HEADER,
  USER_HEADER,
} from '../../lib/service/names.ts'
import { MAX_HELLO_BYTES } from '../../lib/settings/balancer-settings.ts'
import { FirstMessage } from '../../lib/websocket/first-message.ts'
import type { ResponseHead } from '../../lib/websocket/response-head.ts'
import type { BalancerConfig } from '../config.ts'
import { newPlacement, type Placement } from './placement.ts'

/** Values of these headers are dropped when they come from a client. */
const FORGEABLE: ReadonlySet<string> = new Set([...HOP_HEADERS, ...FORWARDED_NAMES])

export interface PlannerOptions {
  readonly config: Pick<BalancerConfig, 'ROUTING_KEY' | 'ON_MISSING_KEY' | 'REHOME_HELLO' | 'TARGET'>
  /** Name of this balancer. */
  readonly instance: string
  /** Secret of the control pings. */
  readonly secret: Buffer
  /** Chooses the member for a key; `user` is set if the key is a user. */
  readonly choose: (key: string, user: string | undefined) => Member | undefined
}

/** Creates the function that plans handshakes; it throws `WSO_ERR_NO_OWNER` (503), and the errors of {@link userOf}. */
export function planner({ config, instance, secret, choose }: PlannerOptions) {
  const control = formatSecret(secret)
  const shared = { secret: { upstream: secret } }
  return (request: IncomingMessage, path: string): Plan<Placement> => {
    const user = userOf(config.ROUTING_KEY, config.ON_MISSING_KEY, { url: path, rawHeaders: request.rawHeaders })
    const key = user ?? randomUUID()
    const member = choose(key, user)
    if (!member) throw serviceError('NO_OWNER')
    const id = createConnectionId()
    return {
      host: member.host,
      port: member.port,
      drop: FORGEABLE,
      set: {
        [CLIENT_REQUEST_HEADER]: 'true',
        [CONNECTION_HEADER]: id,
        [CONTROL_HEADER]: control,
        ...(config.TARGET && { [TARGET_HEADER]: config.TARGET }),
        ...forwardedFields(request, request.socket.remoteAddress ?? 'unknown', request.headers.host ?? ''),
        ...(user !== undefined && { [USER_HEADER]: encodeKeyHeader(user) }),
      },
      answer: { [PROXY_INSTANCE_HEADER]: instance, [UPSTREAM_HOST_HEADER]: member.name },
      context: newPlacement({ id, user, key, member: member.name }),
      extras: config.REHOME_HELLO === 'none' ? shared : { ...shared, first: new FirstMessage(MAX_HELLO_BYTES) },
    }
  }
}

/**
 * The plan with the user named in the app's response: the connection stays on its member, but from now on this user
 * determines its owner.
 *
 * @throws the errors of {@link confirmedUser}
 */
export function confirmed(plan: Plan<Placement>, head: ResponseHead): Plan<Placement> {
  const user = confirmedUser(head)
  return user === undefined ? plan : { ...plan, context: { ...plan.context, user, key: user } }
}

/** The same plan for another member. */
export const elsewhere = (plan: Plan<Placement>, member: Member): Plan<Placement> => ({
  ...plan,
  host: member.host,
  port: member.port,
  answer: { ...plan.answer, [UPSTREAM_HOST_HEADER]: member.name },
  context: { ...plan.context, member: member.name },
})
