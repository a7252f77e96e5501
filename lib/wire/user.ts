import { type HandshakeRequest, keyProblem, type RoutingKey } from '../routing/routing-key.ts'
import type { MISSING_KEY_POLICIES } from '../routing/settings.ts'
import { serviceError } from '../service/errors.ts'

/**
 * The user of a handshake.
 *
 * @returns `undefined` when it names none and that is allowed
 * @throws `WSO_ERR_MISSING_KEY` or `WSO_ERR_INVALID_KEY` (400)
 */
export function userOf(
  routingKey: RoutingKey,
  onMissing: (typeof MISSING_KEY_POLICIES)[number],
  request: HandshakeRequest,
): string | undefined {
  const user = routingKey.find(request)
  if (user === undefined) {
    if (onMissing === 'reject') throw serviceError('MISSING_KEY', routingKey.text)
    return undefined
  }
  const problem = keyProblem(user)
  if (problem) throw serviceError('INVALID_KEY', problem)
  return user
}
