/** Close codes with which an app rejects what a client says: RFC 6455 §7.4.1, and all codes of applications (§7.4.2). */
const REJECTIONS: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008, 1011])

/** Time after a move in which a rejection is blamed on the move, in milliseconds. */
const BLAMED_MS = 60_000

/** Number of rejections after which the app's clients are no longer moved. */
const MAX_LOST = 3

/**
 * Whether an app's close code says that it does not know a client that was moved to it a moment ago.
 *
 * @param movedAt time of the last move, in ms
 * @param now time in ms
 */
export function isSessionLost(code: number, movedAt: number, now: number): boolean {
  const isRejection = REJECTIONS.has(code) || (code >= 4000 && code < 5000)
  return isRejection && now - movedAt <= BLAMED_MS
}

/**
 * Counts the sessions that moves have cost. After {@link MAX_LOST} of them the app's clients are no longer moved, until
 * all members of that time are gone: a rollout has brought another version of the app.
 */
export class LostSessions {
  #lost = 0
  /** Names of the members at the time of the last lost session that counted. */
  #members: ReadonlySet<string> = new Set()

  /** Whether clients of the app must connect again in place of being moved. */
  get areTooMany(): boolean {
    return this.#lost >= MAX_LOST
  }

  /**
   * Records a lost session.
   *
   * @param members names of all members now
   * @returns whether it is the one from which on clients are no longer moved
   */
  add(members: Iterable<string>): boolean {
    if (this.areTooMany) return false
    this.#members = new Set(members)
    this.#lost++
    return this.areTooMany
  }

  /**
   * Records a change of the members.
   *
   * @returns whether clients are moved again from now on
   */
  membersChanged(members: Iterable<string>): boolean {
    for (const name of members) if (this.#members.has(name)) return false
    const were = this.areTooMany
    this.#lost = 0
    return were
  }
}
