/** Bytes of a process that has no connection yet: Node, the program, and room for its garbage. */
const RESERVED_BYTES = 64 << 20
/** Part of the rest that may be held: what was held and is given up is free only after the next garbage collection. */
const USABLE_PART = 0.7
/** However small the limit is: less would close connections that do nothing unusual. */
const LEAST_PART = 1 / 8

/** Filling from which each connection may queue less than its own limit. */
const SHRINK_FROM = 0.5
/** Filling to which the worst holders are closed once the budget is full. */
const EVICT_TO = 0.75
/**
 * Filling with what was received and not read from which, and to which, those who send it are closed before the budget is full: whoever
 * goes on sends more at once, and the kernel takes it.
 */
const UNREAD_FROM = 0.5
const UNREAD_TO = 0.1
/** Each connection may queue so much even then: one that nobody slows down has a message in the kernel now and then. */
const LEAST_QUEUE_BYTES = 2048
/** A connection that holds less is nobody's trouble, and is not closed for it. */
export const LEAST_HOLDING_BYTES = 65_536

/**
 * What all that a process holds for others may take.
 *
 * @param limit of the memory that it may use, in bytes, shared with `processes - 1` others and their primary
 */
export function budgetBytes(limit: number, processes = 1): number {
  // The primary of several holds nothing, but is there.
  const share = processes > 1 ? (limit - RESERVED_BYTES) / processes : limit
  return Math.floor(Math.max(share * LEAST_PART, (share - RESERVED_BYTES) * USABLE_PART))
}

/**
 * Bytes that one connection may queue before its fast side is no longer read: the whole of its own limit while there is room for
 * all, then less and less, and next to nothing when the budget is full. So a connection that nobody slows down is always read.
 */
export function queueLimit(fill: number, maxQueueBytes: number): number {
  if (fill <= SHRINK_FROM) return maxQueueBytes
  const part = Math.floor((maxQueueBytes * (1 - fill)) / (1 - SHRINK_FROM))
  return Math.min(maxQueueBytes, Math.max(LEAST_QUEUE_BYTES, part))
}

/** What each connection may queue at most after some were closed, or where it was restricted so before: it doubles with each look. */
export const mostAfter = (maxQueueBytes: number, before = LEAST_QUEUE_BYTES / 2): number =>
  Math.min(maxQueueBytes, 2 * before)

/**
 * How often a byte that has passed may be in the kernel until that is measured again: as one that waits to be sent, as one that has come
 * in its place, and as one for which the kernel has made the receive buffer larger, because its reader was fast.
 */
const TIMES_IN_KERNEL = 3

/** What may be used after so many bytes have passed. */
export const usedAfter = (used: number, passed: number): number => used + TIMES_IN_KERNEL * passed

/** A client of which so much was received and not read sends more as soon as it is read. */
const POURING_BYTES = 16_384
/**
 * What the kernel may have of a client when that was read once more: its receive buffer becomes twice as large as what was read within a
 * round trip, and 16 segments, which are 64 KiB each on loopback (Linux, `tcp_rcv_space_adjust`).
 */
const REFILL_BYTES = 1 << 20

export const isPouring = (unread: number): boolean => unread >= POURING_BYTES

/** How many of those clients may be read until memory is measured again, while it is short: what comes instead has to fit. */
export const mostPouring = (used: number, budget: number): number =>
  Math.max(1, Math.floor((budget - used) / REFILL_BYTES))

/** How many times its bytes something small may take in the kernel: each segment has pages and a header of its own. */
const MOST_COST = 4

/**
 * What each byte that sockets hold takes of memory. Where much is on sockets that hold little, it is not said of whom it is.
 *
 * @param sockets memory that the kernel has taken for all of them
 * @param bytes that it holds in them
 */
export const costPerByte = (sockets: number, bytes: number): number =>
  bytes > 0 ? Math.min(MOST_COST, Math.max(1, sockets / bytes)) : 1

/** What a process may have become larger by since it began without holding more: code, caches, garbage of everyday. */
const SLACK_BYTES = 32 << 20

/**
 * What a process has taken that is on no account: mostly memory that was given up and not collected yet.
 *
 * @param grown bytes by which its resident memory is larger than in the beginning
 * @param accounted bytes in it that are on an account
 */
export const unaccountedBytes = (grown: number, accounted: number): number =>
  Math.max(0, grown - accounted - SLACK_BYTES)

/** Unaccounted memory is collected before it is this part of the budget. */
const COLLECT_PART = 0.2

export const isWorthCollecting = (unaccounted: number, budget: number): boolean => unaccounted > budget * COLLECT_PART

/** What sockets hold in the kernel may be this part of the budget before it is asked which of them hold it. */
const SOCKETS_PART = 0.1

/** Whether connections must be looked at one by one: memory is short, or much of it is where only the kernel knows whose it is. */
export const isTight = (used: number, sockets: number, budget: number): boolean =>
  used > budget * SHRINK_FROM || sockets > budget * SOCKETS_PART

/** Parts of what is left, and bounds of one, that may pass before what the kernel holds is measured again. */
const LOOKS_LEFT = 8
const LEAST_LOOK_BYTES = 1 << 20
const MOST_LOOK_BYTES = 16 << 20

/** After how many bytes that may stay in the kernel memory is measured again: sooner the less there is left of the budget. */
export function lookAfterBytes(used: number, budget: number): number {
  return Math.min(MOST_LOOK_BYTES, Math.max(LEAST_LOOK_BYTES, (budget - used) / LOOKS_LEFT))
}

/** A connection and what it holds. */
export interface Holder<T> {
  readonly of: T
  readonly bytes: number
  /** The part of it that the kernel has received for us: it becomes more whatever we do. */
  readonly unread: number
}

/**
 * Which holders are closed, the worst ones first: when the budget is full so many that what is left is well below it; and of those who
 * send more than is taken so many that little of theirs is left, when it is much.
 */
export function worstHolders<T>(holders: readonly Holder<T>[], used: number, budget: number): Holder<T>[] {
  let unread = holders.reduce((sum, holder) => sum + holder.unread, 0)
  if (used < budget && unread < budget * UNREAD_FROM) return []
  let left = used
  return holders
    .toSorted((a, b) => b.bytes - a.bytes)
    .filter(holder => {
      const isSender = holder.unread >= LEAST_HOLDING_BYTES && unread > budget * UNREAD_TO
      if (!isSender && (used < budget || left <= budget * EVICT_TO || holder.bytes < LEAST_HOLDING_BYTES)) return false
      left -= holder.bytes
      unread -= holder.unread
      return true
    })
}
