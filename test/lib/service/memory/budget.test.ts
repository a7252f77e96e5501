import t from 'tap'
import { MemoryBudget } from '../../../../lib/service/memory/budget.ts'

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
