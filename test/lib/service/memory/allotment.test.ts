import t from 'tap'
import { Allotment } from '../../../../lib/service/memory/allotment.ts'
import { MemoryBudget } from '../../../../lib/service/memory/budget.ts'

t.test('a part of a budget has a bound of its own, and counts on the account', async t => {
  const { messages } = new MemoryBudget(1000).accounts
  const [one, other] = [new Allotment(100, messages), new Allotment(50, messages)]
  one.change(70)
  other.change(50)
  t.ok(one.has(30))
  t.notOk(one.has(31))
  t.notOk(other.has(1), 'what one has left is not for the other')
  t.equal(messages.bytes, 120)
  one.change(60)
  t.notOk(one.has(0), 'what is used is counted, whether there was room or not')
  one.change(-130)
  other.change(-50)
  t.equal(messages.bytes, 0)
})
