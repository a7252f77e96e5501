/** Bytes of a process without connections: Node, the program, and room for garbage. */
const RESERVED_BYTES = 64 << 20
/** Usable fraction of the rest: released memory is free only after the next garbage collection. */
const USABLE_PART = 0.7
/** Minimum fraction for any limit: less would close connections in normal use. */
const LEAST_PART = 1 / 8

/** Fill level from which each connection may queue less than its own limit. */
const SHRINK_FROM = 0.5
/** Fill level to which the worst holders are closed once the budget is full. */
const EVICT_TO = 0.75
/**
 * Fill level of received but unread bytes from which, and to which, their senders are closed before the budget is full:
 * such a sender continues as soon as it is read, and the kernel accepts the bytes.
 */
const UNREAD_FROM = 0.5
const UNREAD_TO = 0.1
/** Minimum queue of each connection even then: an unthrottled connection occasionally has a message in the kernel. */
const LEAST_QUEUE_BYTES = 2048
/** A connection that holds less is harmless and is not closed. */
export const LEAST_HOLDING_BYTES = 65_536

/**
 * The memory budget of a process.
 *
 * @param limit of available memory in bytes, shared with `processes - 1` other processes and their primary
 */
export function budgetBytes(limit: number, processes = 1): number {
  // With several processes the primary holds no connections, but takes its own memory.
  const share = processes > 1 ? (limit - RESERVED_BYTES) / processes : limit
  return Math.floor(Math.max(share * LEAST_PART, (share - RESERVED_BYTES) * USABLE_PART))
}

/**
 * Bytes that one connection may queue before we stop reading its fast side: its own limit while memory suffices, then
 * less and less, and almost nothing when the budget is full. A connection with a fast reader is therefore always read.
 */
export function queueLimit(fill: number, maxQueueBytes: number): number {
  if (fill <= SHRINK_FROM) return maxQueueBytes
  const part = Math.floor((maxQueueBytes * (1 - fill)) / (1 - SHRINK_FROM))
  return Math.min(maxQueueBytes, Math.max(LEAST_QUEUE_BYTES, part))
}

/** Queue limit of each connection after evictions or an earlier restriction: doubles with each measurement. */
export const mostAfter = (maxQueueBytes: number, before = LEAST_QUEUE_BYTES / 2): number =>
  Math.min(maxQueueBytes, 2 * before)

/**
 * How often a passed byte may occupy the kernel before the next measurement: as a byte waiting to be sent, as one that
 * arrived in its place, and as growth of the receive buffer of a fast reader.
 */
const TIMES_IN_KERNEL = 3

/** Memory that may be in use after `passed` bytes. */
export const usedAfter = (used: number, passed: number): number => used + TIMES_IN_KERNEL * passed

/** A client with this number of received but unread bytes sends more as soon as it is read. */
const POURING_BYTES = 16_384
/**
 * Bytes that the kernel may hold for such a client after one more read: the receive buffer grows to twice the bytes
 * read within a round trip plus 16 segments of 64 KiB each on loopback (Linux, `tcp_rcv_space_adjust`).
 */
const REFILL_BYTES = 1 << 20

export const isPouring = (unread: number): boolean => unread >= POURING_BYTES

/**
 * Number of such clients that may be read before the next measurement while memory is short: the bytes that follow must
 * fit.
 */
export const mostPouring = (used: number, budget: number): number =>
  Math.max(1, Math.floor((budget - used) / REFILL_BYTES))

/** Maximum kernel memory per byte of a small message: each segment has its own pages and header. */
const MOST_COST = 4

/**
 * Memory taken by each byte in socket buffers. Capped, because the memory of sockets with small queues cannot be
 * attributed.
 *
 * @param sockets kernel memory of all sockets
 * @param bytes in their buffers
 */
export const costPerByte = (sockets: number, bytes: number): number =>
  bytes > 0 ? Math.min(MOST_COST, Math.max(1, sockets / bytes)) : 1

/** Normal growth of a process since its start: code, caches, everyday garbage. */
const SLACK_BYTES = 32 << 20

/**
 * Memory of a process that no account covers: mostly released memory that is not collected yet.
 *
 * @param grown bytes by which resident memory has grown since the start
 * @param accounted bytes of it that are on an account
 */
export const unaccountedBytes = (grown: number, accounted: number): number =>
  Math.max(0, grown - accounted - SLACK_BYTES)

/** Unaccounted memory is collected before it reaches this fraction of the budget. */
const COLLECT_PART = 0.2

export const isWorthCollecting = (unaccounted: number, budget: number): boolean => unaccounted > budget * COLLECT_PART

/** Fraction of the budget that sockets may hold in the kernel before individual connections are inspected. */
const SOCKETS_PART = 0.1

/**
 * Whether connections must be inspected one by one: memory is short, or much of it is in the kernel, which alone knows
 * its owners.
 */
export const isTight = (used: number, sockets: number, budget: number): boolean =>
  used > budget * SHRINK_FROM || sockets > budget * SOCKETS_PART

/**
 * The fraction of the remaining budget (1/n) that may pass before kernel memory is measured again, with lower and upper
 * bounds.
 */
const LOOKS_LEFT = 8
const LEAST_LOOK_BYTES = 1 << 20
const MOST_LOOK_BYTES = 16 << 20

/**
 * Bytes that may pass before the next measurement, since they may stay in the kernel; fewer as the remaining budget
 * shrinks.
 */
export function lookAfterBytes(used: number, budget: number): number {
  return Math.min(MOST_LOOK_BYTES, Math.max(LEAST_LOOK_BYTES, (budget - used) / LOOKS_LEFT))
}

/** A connection and the memory that it holds. */
export interface Holder<T> {
  readonly of: T
  readonly bytes: number
  /** The part received by the kernel but unread; it grows whatever we do. */
  readonly unread: number
}

/**
 * Selects the holders to close, the worst first. If the budget is full: enough to bring it well below its limit. If
 * unread bytes are many: enough of their senders that few remain.
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
