import type { Metrics } from '../../lib/service/metrics.ts'

/** Why a client gets another upstream. */
export const REASONS = ['crash', 'restart', 'drain', 'rebalance'] as const
export type Reason = (typeof REASONS)[number]

/**
 * Result of a move. `moved`; `gone`: the client left meanwhile; `stayed`: no member was better, or a rebalance found no
 * message boundary; `refused`: the app refused the handshake; `differs`: the app's response was different; `timeout`:
 * no member took the client in time; `passed_on`: the client was told that its upstream ended, because the app wanted
 * that or nothing else was possible; `closed`: the client had to connect again, because it could not be moved;
 * `session_lost`: the new app rejected the moved client; `failed`: an error in this program, which is logged.
 */
export const RESULTS = [
  'moved',
  'gone',
  'stayed',
  'refused',
  'differs',
  'timeout',
  'passed_on',
  'closed',
  'session_lost',
  'failed',
] as const
export type Result = (typeof RESULTS)[number]

/** State of the moves that the metrics show. */
export interface MovesView {
  /** Connections that wait for a move or are being moved. */
  readonly waiting: () => number
  /** Whether clients are closed instead of moved, because the app rejected moved ones. */
  readonly isSuspended: () => boolean
}

/** Registers the metrics of moves. */
export function rehomeMetrics(metrics: Metrics, { waiting, isSuspended }: MovesView) {
  metrics.gauge('moves_waiting', 'Connections that wait for another upstream, or are being moved to one.', {
    collect() {
      this.set(waiting())
    },
  })
  metrics.gauge(
    'moves_suspended',
    '1: clients are closed instead of moved, because the app rejected moved clients; until all its pods are new.',
    {
      collect() {
        this.set(isSuspended() ? 1 : 0)
      },
    },
  )
  const total = metrics.counter(
    'rehomes_total',
    'Connections that were to be moved to another upstream, by reason and result.',
    {
      labelNames: ['reason', 'result'],
    },
  )
  for (const reason of REASONS) total.inc({ reason, result: 'moved' }, 0)
  const duration = metrics.histogram(
    'rehome_duration_seconds',
    'Time from the decision to move a connection to its new upstream.',
    { buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
  )
  return {
    /** @param seconds duration of the move */
    count(reason: Reason, result: Result, seconds: number): void {
      total.inc({ reason, result })
      if (result === 'moved') duration.observe(seconds)
    },
  }
}
