import type { Metrics } from '../metrics.ts'
import { MEMORY_KINDS, type MemoryBudget } from './budget.ts'

/** Registers the metrics of a budget. */
export function memoryMetrics(metrics: Metrics, budget: MemoryBudget): void {
  metrics.gauge('memory_budget_bytes', 'Memory budget for all connections, queues and messages together.', {
    collect() {
      this.set(budget.bytes)
    },
  })
  metrics.gauge('memory_used_bytes', 'Used part of the memory budget, by kind of use.', {
    labelNames: ['kind'],
    collect() {
      for (const kind of MEMORY_KINDS) this.set({ kind }, budget.accounts[kind].bytes)
    },
  })
}
