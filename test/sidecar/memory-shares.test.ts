import t from 'tap'
import { MemoryBudget } from '../../lib/service/memory/budget.ts'
import { memoryShares, unlimitedShares } from '../../sidecar/memory-shares.ts'

const PURPOSES = ['locations', 'senders', 'announcements', 'deduplication', 'links'] as const

t.test('the shares together leave a part of the budget to the clients', async t => {
  const shares = memoryShares(new MemoryBudget(1_000_000))
  const total = PURPOSES.reduce((sum, purpose) => sum + shares[purpose].maxBytes, 0)
  t.ok(total < 1_000_000, `${total} bytes`)
  for (const purpose of PURPOSES) t.ok(shares[purpose].maxBytes > 0, purpose)
})

t.test('each share is on the account that its memory is shown under', async t => {
  for (const [purpose, kind] of [
    ['locations', 'locations'],
    ['senders', 'messages'],
    ['announcements', 'messages'],
    ['deduplication', 'deduplication'],
    ['links', 'messages'],
  ] as const) {
    const shares = memoryShares(new MemoryBudget(1_000_000))
    shares[purpose].change(100)
    t.equal(shares.budget.accounts[kind].bytes, 100, purpose)
    t.equal(shares.budget.used, 100)
    t.notOk(shares[purpose].has(shares[purpose].maxBytes - 99))
    t.ok(shares[purpose].has(shares[purpose].maxBytes - 100))
  }
})

t.test('shares without a budget have room for anything', async t => {
  const shares = unlimitedShares()
  for (const purpose of PURPOSES) t.ok(shares[purpose].has(Number.MAX_SAFE_INTEGER), purpose)
})
