import type { BridgeEnd, BridgeState } from './bridge-options.ts'

/** How the upstream has ended, while the client does not know. */
export interface UpstreamLoss {
  /** As in {@link BridgeEnd}. */
  readonly code: number
  /** Whether it ended with a close frame, which is held back. */
  readonly closed: boolean
  /** Socket events of the upstream since then. */
  ended: boolean
  gone: boolean
}

/**
 * The state of a bridged connection.
 *
 *     open ── the upstream ends, and the client is not told ──▶ orphaned
 *     orphaned ── another upstream takes over ──▶ open
 *     orphaned ── the client is to be told ──▶ final: as open, but an end of the upstream now passes to the client
 *     open, orphaned, final ── a side ends ──▶ ending: the end of each side passes to the other unchanged
 *     open, orphaned, final ── we close it ──▶ closing: each side answers us
 *     ending, closing ── both sockets are gone, one after the other ──▶ closed
 *
 * Any other event is ignored; the first end wins.
 */
export type State =
  | { readonly is: 'open' | 'final' }
  | { readonly is: 'orphaned'; readonly loss: UpstreamLoss }
  | { readonly is: 'ending' | 'closing'; readonly end: BridgeEnd; readonly openSockets: 1 | 2 }
  | { readonly is: 'closed'; readonly end: BridgeEnd }

export const OPEN: State = { is: 'open' }
const FINAL: State = { is: 'final' }

/** The upstream has ended. */
export function upstreamLost(life: State, loss: UpstreamLoss): State {
  return life.is === 'open' ? { is: 'orphaned', loss } : life
}

/** Another upstream has taken over. */
export function upstreamReplaced(life: State): State {
  return life.is === 'orphaned' ? OPEN : life
}

/** The client is to be told how the upstream has ended. */
export function reveal(life: State): State {
  return life.is === 'orphaned' ? FINAL : life
}

/** A side has ended, or we have closed both. */
export function finish(life: State, end: BridgeEnd): State {
  if ('end' in life) return life
  return { is: end.cause === 'client' || end.cause === 'upstream' ? 'ending' : 'closing', end, openSockets: 2 }
}

/** The socket of a side is gone. */
export function socketGone(life: State): State {
  if (!('openSockets' in life)) return life
  return life.openSockets === 2 ? { ...life, openSockets: 1 } : { is: 'closed', end: life.end }
}

export function endOf(life: State): BridgeEnd | undefined {
  return 'end' in life ? life.end : undefined
}

export function lossOf(life: State): UpstreamLoss | undefined {
  return life.is === 'orphaned' ? life.loss : undefined
}

/** The state that the owner sees: messages pass or wait, pass for the last time, or pass no more. */
export function stateOf(life: State): BridgeState {
  if (life.is === 'closed') return 'closed'
  return 'end' in life ? 'closing' : 'open'
}
