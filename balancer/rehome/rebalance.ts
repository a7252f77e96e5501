import type { Member } from '../../lib/routing/members.ts'
import type { Connection } from '../placement/placement.ts'

/** Which connections are where they do not belong any more, those that have been idle for longest first. */
export function misplaced(
  connections: Iterable<Connection>,
  choose: (key: string) => Member | undefined,
  isMember: (name: string) => boolean,
): Connection[] {
  const wrong: Connection[] = []
  for (const connection of connections) {
    const { user, key, member } = connection.context
    if (connection.state !== 'open') continue
    // Who has no name can be anywhere: only a member that is no more is the wrong place.
    if (user === undefined ? isMember(member) : choose(key)?.name === member) continue
    wrong.push(connection)
  }
  return wrong.sort((a, b) => a.lastSeen - b.lastSeen)
}
