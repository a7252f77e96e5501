import type { Bridge, EndCause } from '../bridge/bridge.ts'
import type { Shed } from '../service/http/client-connections.ts'
import type { Metrics } from '../service/metrics.ts'
import type { PlainResult } from './plain/plain-exchange.ts'

/** Counters of a proxy. */
export interface ProxyMetrics {
  accepted(): void
  /** A handshake that failed, and the reason. */
  refused(reason: string): void
  ended(cause: EndCause): void
  plain(result: PlainResult): void
  /** A connection without a WebSocket, or a request on it, that was closed or refused for lack of room. */
  shed(reason: ShedReason): void
}

/**
 * `idle`: closed to make room for another; `full`: not accepted, because all others are in use; `pipelined`:
 * closed, because too many requests came ahead of their answers; `busy`: request refused, because too many are being
 * answered; `slow_body`: the body of a request arrived too slowly; `memory`: memory was full, and the connection held much of
 * it.
 */
export type ShedReason = Shed | 'busy' | 'slow_body' | 'memory'

/** Registers a proxy's metrics; gauges read the connections when they are scraped. */
export function proxyMetrics(
  metrics: Metrics,
  bridges: ReadonlySet<Bridge>,
  plainConnections: () => number,
): ProxyMetrics {
  metrics.gauge('plain_connections', 'Open client connections without a WebSocket, including idle ones.', {
    collect() {
      this.set(plainConnections())
    },
  })
  const shed = metrics.counter(
    'plain_connections_shed_total',
    'Connections without a WebSocket that were closed or refused, by reason: idle, full, pipelined, busy, slow_body, memory.',
    { labelNames: ['reason'] },
  )
  metrics.gauge('connections', 'Open client connections.', {
    collect() {
      this.set(bridges.size)
    },
  })
  metrics.gauge('queue_bytes', 'Bytes queued for slow readers.', {
    labelNames: ['side'],
    collect() {
      for (const side of ['client', 'upstream'] as const) {
        let bytes = 0
        for (const bridge of bridges) bytes += bridge.queuedBytes(side)
        this.set({ side }, bytes)
      }
    },
  })
  const upgrades = metrics.counter('upgrades_total', 'WebSocket handshakes, by result.', { labelNames: ['result'] })
  const rejected = metrics.counter('rejected_total', 'Refused handshakes, by reason.', {
    labelNames: ['reason'],
  })
  const closed = metrics.counter('closed_total', 'Ended connections, by cause.', {
    labelNames: ['cause'],
  })
  const plain = metrics.counter('plain_requests_total', 'Plain HTTP requests, by result.', { labelNames: ['result'] })
  return {
    accepted: () => upgrades.inc({ result: 'accepted' }),
    refused(reason) {
      upgrades.inc({ result: 'refused' })
      rejected.inc({ reason })
    },
    ended: cause => closed.inc({ cause }),
    plain: result => plain.inc({ result }),
    shed: reason => shed.inc({ reason }),
  }
}
