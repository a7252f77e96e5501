import fc from 'fast-check'
import t from 'tap'
import { ByteBudget } from '../../../hooks/requests/byte-budget.ts'

t.test('at the limit the one that has lasted longest is aborted', async t => {
  const budget = new ByteBudget(100)
  const aborted: string[] = []
  const share = (name: string) => budget.begin(() => aborted.push(name))
  const [first, second, third] = [share('first'), share('second'), share('third')]
  t.ok(first.add(40) && second.add(40) && third.add(20))
  t.strictSame(aborted, [])
  t.ok(third.add(1))
  t.strictSame(aborted, ['first'])
  t.equal(budget.bytes, 61)
  t.notOk(first.add(10), 'it holds nothing any more')
  first.end()
  t.equal(budget.bytes, 61, 'and gives nothing back twice')
  second.end()
  second.end()
  t.equal(budget.bytes, 21)
  t.notOk(third.add(100), 'more than there is')
  t.strictSame(aborted, ['first', 'third'])
  t.equal(budget.bytes, 0)
})

t.test('it never holds more than its limit, and nothing in the end', async t => {
  const step = fc.tuple(fc.nat(5), fc.integer({ min: 0, max: 60 }), fc.boolean())
  const property = fc.property(fc.array(step, { maxLength: 60 }), steps => {
    const budget = new ByteBudget(100)
    const shares = Array.from({ length: 6 }, () => budget.begin(() => {}))
    for (const [index, bytes, end] of steps) {
      if (end) shares[index]?.end()
      else shares[index]?.add(bytes)
      if (budget.bytes > 100) throw new Error(`holds ${budget.bytes}`)
    }
    for (const share of shares) share.end()
    if (budget.bytes !== 0) throw new Error(`${budget.bytes} are left`)
  })
  fc.assert(property, { seed: 4, numRuns: 500 })
  t.pass('500 runs')
})
