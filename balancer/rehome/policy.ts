import type { REHOMES } from '../../lib/service/names.ts'
import type { Connection } from '../placement/placement.ts'

export type RehomePolicy = (typeof REHOMES)[number]

/**
 * Whether another upstream can serve a client as it is. If not, the client must connect again. With `auto`, a client
 * that has sent anything may have made a session that only its app process knows.
 */
export function mayMove(
  policy: RehomePolicy,
  { clientHasSpoken, context }: Pick<Connection, 'clientHasSpoken' | 'context'>,
): boolean {
  if (policy !== 'auto') return policy === 'transparent'
  return !clientHasSpoken && context.session === undefined
}
