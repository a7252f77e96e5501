import { decodeKeyHeader, type HandshakeRequest, keyOfTrusted, type RoutingKey } from '../routing/key/routing-key.ts'
import type { MISSING_KEY_POLICIES } from '../routing/routing-settings.ts'
import { serviceError } from '../service/http/errors.ts'
import { USER_HEADER } from '../service/names.ts'
import type { ResponseHead } from '../websocket/response-head.ts'

/**
 * Finds the user of a handshake or plain request.
 *
 * @returns `undefined` if the request names no user and that is allowed
 * @throws `WSO_ERR_MISSING_KEY`, or `WSO_ERR_AMBIGUOUS_USER` (400) if the sources name different users
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
 * Reads the user that an upstream named when it accepted the handshake; this user then applies everywhere.
 *
 * @returns `undefined` if the upstream named none; then the user of the request applies
 * @throws `WSO_ERR_BAD_USER` (502) if the value is not a valid user or there are several
 */
export function confirmedUser({ fields }: Pick<ResponseHead, 'fields'>): string | undefined {
  const users = new Set<string>()
  for (const [name, value] of fields) {
    if (name.toLowerCase() !== USER_HEADER) continue
    const user = keyOfTrusted(decodeKeyHeader(value))
    if (user === undefined) throw serviceError('BAD_USER', 'its value is no user')
    users.add(user)
  }
  if (users.size > 1) throw serviceError('BAD_USER', 'it is there more than once, with different values')
  const [user] = users
  return user
}
