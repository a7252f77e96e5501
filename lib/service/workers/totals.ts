import { AggregatorRegistry } from 'prom-client'
import type { Snapshot } from './messages.ts'

/**
 * The metrics of several processes as those of one: counters, histograms and gauges are summed, unless a metric names another
 * `aggregator`. What a process had counted when it was last asked stays in the sums when it ends, because a counter that goes
 * down means to Prometheus that all of it was counted anew.
 */
export class Totals {
  #gone: Snapshot = []
  readonly #last = new Map<number, Snapshot>()

  /** The latest answer of a process. */
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
   * @param own of the process that asks
   * @param answered processes whose latest answer is of now; of the others only what never goes down counts
   */
  text(own: Snapshot, answered: ReadonlySet<number>): Promise<string> {
    const others = Array.from(this.#last, ([id, last]) => (answered.has(id) ? last : cumulative(last)))
    return sum([own, ...others, this.#gone]).metrics()
  }
}

const sum = (snapshots: Snapshot[]) => AggregatorRegistry.aggregate(snapshots)

const cumulative = (snapshot: Snapshot) => snapshot.filter(({ type }) => isCumulative(String(type)))

const isCumulative = (type: string) => type === 'counter' || type === 'histogram'
