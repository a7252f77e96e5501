import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'

const NAMES = [
  ...['Alice', 'Bob', 'Carol', 'Dave', 'Erin', 'Frank', 'Grace', 'Heidi', 'Ivan', 'Judy', 'Kim', 'Leo', 'Mallory'],
  ...['Niaj', 'Olivia', 'Peggy', 'Quinn', 'Rupert', 'Sybil', 'Trent', 'Uma', 'Victor', 'Walter', 'Xena', 'Yara', 'Zoe'],
]

/** The member that owns a user; `undefined` without members. */
export function ownerOf(user: string, members: readonly string[]): string | undefined {
  return MemberSet.of(members.map(parseMember)).owner(user)?.name
}

/** Names of users, one for each member in turn, so that the first ones are on different pods. */
export function pickUsers(members: readonly string[], count: number): string[] {
  const picked: string[] = []
  for (let taken = new Set<string>(); picked.length < count; taken = new Set()) {
    const before = picked.length
    for (const name of NAMES) {
      const owner = ownerOf(name, members) as string
      if (picked.length === count || picked.includes(name) || taken.has(owner)) continue
      taken.add(owner)
      picked.push(name)
    }
    if (picked.length === before) break
  }
  return picked
}

/** A user who belongs to a certain member. */
export function userOf(member: string, members: readonly string[]): string {
  const name = NAMES.find(candidate => ownerOf(candidate, members) === member)
  if (name) return name
  for (let n = 1; ; n++) if (ownerOf(`Guest ${n}`, members) === member) return `Guest ${n}`
}
