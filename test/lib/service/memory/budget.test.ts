import t from 'tap'
import { MEMORY_KINDS, MemoryBudget } from '../../../../lib/service/memory/budget.ts'
import { memoryMetrics } from '../../../../lib/service/memory/metrics.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'

t.test('accounts add up; what is taken needs room, what is used is counted anyway', async t => {
  const budget = new MemoryBudget(100)
  const { held, queues, sockets } = budget.accounts
  t.ok(held.take(60))
  queues.change(30)
  t.equal(budget.fill, 0.9)
  t.notOk(budget.isFull)
  t.ok(held.take(20), 'the last one may be too much')
  t.ok(budget.isFull)
  t.notOk(held.take(1))
  t.equal(held.bytes, 80)
  held.give(80)
  t.notOk(budget.isFull)
  sockets.set(50)
  sockets.set(20)
  t.equal(budget.used, 50)
})

t.test('metrics: the budget, and a line for each kind', async t => {
  const metrics = new Metrics()
  const budget = new MemoryBudget(1000)
  memoryMetrics(metrics, budget)
  budget.accounts.queues.change(7)
  const text = await metrics.registry.metrics()
  t.match(text, /^ws_operator_memory_budget_bytes 1000$/m)
  t.match(text, /^ws_operator_memory_used_bytes\{kind="queues"\} 7$/m)
  for (const kind of MEMORY_KINDS) t.match(text, `kind="${kind}"`)
})
