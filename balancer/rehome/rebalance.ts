import type { Member } from '../../lib/routing/members.ts'
import type { Connection } from '../placement/placement.ts'

/** Connections that are no longer on the right member, longest idle first. */
export function misplaced(
  connections: Iterable<Connection>,
  choose: (key: string) => Member | undefined,
  isMember: (name: string) => boolean,
): Connection[] {
  const wrong: Connection[] = []
  for (const connection of connections) {
    const { user, key, member } = connection.context
    if (connection.state !== 'open') continue
    // A connection without a user can be on any member, so only a vanished member makes it misplaced.
    if (user === undefined ? isMember(member) : choose(key)?.name === member) continue
    wrong.push(connection)
  }
  return wrong.sort((a, b) => a.lastSeen - b.lastSeen)
}
