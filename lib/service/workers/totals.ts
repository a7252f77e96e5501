import { AggregatorRegistry } from 'prom-client'
import type { Snapshot } from './messages.ts'

/**
 * Combines the metrics of several processes: counters, histograms and gauges are summed, unless a metric sets another
 * `aggregator`. The last known counts of a process stay in the sums after its end, because Prometheus treats a
 * decreasing counter as a reset.
 */
export class Totals {
  #gone: Snapshot = []
  readonly #last = new Map<number, Snapshot>()

  /** Stores the latest answer of a process. */
  update(id: number, snapshot: Snapshot): void {
    this.#last.set(id, snapshot)
  }

  /** A process has ended. */
  retire(id: number): void {
    const last = this.#last.get(id)
    this.#last.delete(id)
    if (last) this.#gone = sum([this.#gone, cumulative(last)]).getMetricsAsArray() as Snapshot
  }

  /**
   * The sum in Prometheus' text format.
   *
   * @param own metrics of the calling process
   * @param answered processes whose latest answer is current; for others only monotonic metrics count
   */
  text(own: Snapshot, answered: ReadonlySet<number>): Promise<string> {
    const others = Array.from(this.#last, ([id, last]) => (answered.has(id) ? last : cumulative(last)))
    return sum([own, ...others, this.#gone]).metrics()
  }
}

const sum = (snapshots: Snapshot[]) => AggregatorRegistry.aggregate(snapshots)

const cumulative = (snapshot: Snapshot) => snapshot.filter(({ type }) => isCumulative(String(type)))

const isCumulative = (type: string) => type === 'counter' || type === 'histogram'
