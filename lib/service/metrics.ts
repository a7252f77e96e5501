import {
  Counter,
  type CounterConfiguration,
  Gauge,
  type GaugeConfiguration,
  Histogram,
  type HistogramConfiguration,
  Registry,
} from 'prom-client'
import { METRIC_PREFIX } from './names.ts'

type Options<T extends { name: string; help: string }> = Omit<T, 'name' | 'help' | 'registers'>

/** A program's metrics, each with the prefix `ws_operator_`; no global state, so that tests can create several. */
export class Metrics {
  readonly registry = new Registry()

  constructor() {
    this.gauge('process_resident_memory_bytes', 'Resident memory of the process.', {
      collect() {
        this.set(process.memoryUsage.rss())
      },
    })
    this.counter('process_cpu_seconds_total', 'User and system CPU time spent by the process.', {
      collect() {
        const { user, system } = process.cpuUsage()
        this.reset()
        this.inc((user + system) / 1e6)
      },
    })
  }

  counter<L extends string = never>(
    name: string,
    help: string,
    options: Options<CounterConfiguration<L>> = {},
  ): Counter<L> {
    return new Counter({ name: METRIC_PREFIX + name, help, registers: [this.registry], ...options })
  }

  gauge<L extends string = never>(name: string, help: string, options: Options<GaugeConfiguration<L>> = {}): Gauge<L> {
    return new Gauge({ name: METRIC_PREFIX + name, help, registers: [this.registry], ...options })
  }

  histogram<L extends string = never>(
    name: string,
    help: string,
    options: Options<HistogramConfiguration<L>> = {},
  ): Histogram<L> {
    return new Histogram({ name: METRIC_PREFIX + name, help, registers: [this.registry], ...options })
  }
}
