import type { BridgeEnd, BridgeState } from './bridge-options.ts'

/** How the upstream has ended, while the client does not know. */
export interface Orphaning {
  /** As in {@link BridgeEnd}. */
  readonly code: number
  /** Whether by a close frame, which is kept. */
  readonly closed: boolean
  /** What has become of its socket since. */
  ended: boolean
  gone: boolean
}

/**
 * The life of a bridged connection.
 *
 *     open ── the upstream ends, which the client does not learn ──▶ orphaned
 *     orphaned ── another upstream, or the client is to learn it ──▶ open
 *     open, orphaned ── a side ends ──▶ ending: each side learns of the other's end, as it happened
 *     open, orphaned ── we end it ──▶ closing: each side answers us
 *     ending, closing ── both sockets are gone ──▶ closed
 *
 * Nothing else happens: what does not fit leaves it as it is, so that the first end is the one that counts.
 */
export type Life =
  | { readonly is: 'open' }
  | { readonly is: 'orphaned'; readonly loss: Orphaning }
  | { readonly is: 'ending' | 'closing' | 'closed'; readonly end: BridgeEnd }

export const OPEN: Life = { is: 'open' }

/** The upstream has ended. */
export function orphan(life: Life, loss: Orphaning): Life {
  return life.is === 'open' ? { is: 'orphaned', loss } : life
}

/** There is another upstream, or the end of this one is passed on. */
export function adopt(life: Life): Life {
  return life.is === 'orphaned' ? OPEN : life
}

/** A side has ended, or we have ended both. */
export function finish(life: Life, end: BridgeEnd): Life {
  if (life.is !== 'open' && life.is !== 'orphaned') return life
  return { is: end.cause === 'client' || end.cause === 'upstream' ? 'ending' : 'closing', end }
}

/** Both sockets are gone. */
export function bury(life: Life): Life {
  return life.is === 'ending' || life.is === 'closing' ? { is: 'closed', end: life.end } : life
}

export function endOf(life: Life): BridgeEnd | undefined {
  return 'end' in life ? life.end : undefined
}

export function lossOf(life: Life): Orphaning | undefined {
  return life.is === 'orphaned' ? life.loss : undefined
}

/** What others need to know of it: whether messages pass, or wait to. */
export function stateOf(life: Life): BridgeState {
  if (life.is === 'closed') return 'closed'
  return 'end' in life ? 'closing' : 'open'
}
