import { isUtf8 } from 'node:buffer'
import { keyProblem } from '../../lib/routing/key/routing-key.ts'

/** Longest text of an announcement, in bytes. */
export const MAX_ANNOUNCEMENT_BYTES = 65_536

/** Encodes the users of an announcement: UTF-8, separated by line feeds, which no user name contains. */
export function encodeUsers(users: readonly string[]): Buffer {
  return Buffer.from(users.join('\n'))
}

/** Decodes the users of an announcement; `undefined` if it is malformed. */
export function decodeUsers(bytes: Buffer): string[] | undefined {
  if (bytes.length > MAX_ANNOUNCEMENT_BYTES || !isUtf8(bytes)) return undefined
  const users = bytes.toString('utf8').split('\n')
  return users.some(user => keyProblem(user) !== undefined) ? undefined : users
}

/** Removes users from the front of a set until an announcement is full. */
export function takeUsers(from: Set<string>): string[] {
  const users: string[] = []
  let bytes = 0
  for (const user of from) {
    bytes += Buffer.byteLength(user) + 1
    if (bytes > MAX_ANNOUNCEMENT_BYTES) break
    users.push(user)
    from.delete(user)
  }
  return users
}
