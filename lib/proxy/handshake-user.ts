import { decodeKeyHeader, type HandshakeRequest, keyOf, type RoutingKey } from '../routing/key/routing-key.ts'
import type { MISSING_KEY_POLICIES } from '../routing/routing-settings.ts'
import { serviceError } from '../service/http/errors.ts'
import { USER_HEADER } from '../service/names.ts'
import type { ResponseHead } from '../websocket/response-head.ts'

/**
 * The user of a handshake or a plain request.
 *
 * @returns `undefined` when it names none and that is allowed
 * @throws `WSO_ERR_MISSING_KEY` or, where two places name different users, `WSO_ERR_AMBIGUOUS_USER` (400)
 */
export function userOf(
  routingKey: RoutingKey,
  onMissing: (typeof MISSING_KEY_POLICIES)[number],
  request: HandshakeRequest,
): string | undefined {
  const users = routingKey.find(request)
  if (users.length > 1) throw serviceError('AMBIGUOUS_USER', routingKey.text)
  const [user] = users
  if (user === undefined && onMissing === 'reject') throw serviceError('MISSING_KEY', routingKey.text)
  return user
}

/**
 * The user that an upstream has named in its acceptance, who then is the user everywhere.
 *
 * @returns `undefined` when it names none: the user is the one that it was asked for
 * @throws `WSO_ERR_BAD_USER` (502) when that is no user, or more than one
 */
export function confirmedUser({ fields }: Pick<ResponseHead, 'fields'>): string | undefined {
  const users = new Set<string>()
  for (const [name, value] of fields) {
    if (name.toLowerCase() !== USER_HEADER) continue
    const user = keyOf(decodeKeyHeader(value))
    if (user === undefined) throw serviceError('BAD_USER', 'its value is no user')
    users.add(user)
  }
  if (users.size > 1) throw serviceError('BAD_USER', 'it is there more than once, with different values')
  const [user] = users
  return user
}
