import t from 'tap'
import { MEMORY_KINDS, MemoryBudget } from '../../../../lib/service/memory/budget.ts'
import { memoryMetrics } from '../../../../lib/service/memory/metrics.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'

t.test('the budget is a gauge, and so is the use of each kind, as it is when asked', async t => {
  const metrics = new Metrics()
  const budget = new MemoryBudget(1000)
  memoryMetrics(metrics, budget)
  budget.accounts.queues.change(7)
  const text = await metrics.registry.metrics()
  t.match(text, /^ws_operator_memory_budget_bytes 1000$/m)
  t.match(text, /^ws_operator_memory_used_bytes\{kind="queues"\} 7$/m)
  for (const kind of MEMORY_KINDS) if (kind !== 'queues') t.match(text, new RegExp(`kind="${kind}"\\} 0$`, 'm'))
  budget.accounts.queues.change(-3)
  t.match(await metrics.registry.metrics(), /^ws_operator_memory_used_bytes\{kind="queues"\} 4$/m)
})
