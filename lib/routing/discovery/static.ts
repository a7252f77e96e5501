import type { Member } from '../members.ts'
import type { MemberSource } from './source.ts'

/** Members that are configured and never change. */
export function staticSource(members: readonly Member[]): MemberSource {
  return async sink => sink.answer(members)
}
