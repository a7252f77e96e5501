import fc from 'fast-check'
import t from 'tap'
import {
  budgetBytes,
  costPerByte,
  isPouring,
  isTight,
  LEAST_HOLDING_BYTES,
  lookAfterBytes,
  mostAfter,
  mostPouring,
  queueLimit,
  unaccountedBytes,
  usedAfter,
  worstHolders,
} from '../../../../lib/service/memory/policy.ts'

const MIB = 1 << 20

t.test('the budget leaves room for the program, for its garbage and for the primary of several', async t => {
  t.equal(budgetBytes(192 * MIB), Math.floor(128 * MIB * 0.7))
  t.equal(budgetBytes(512 * MIB), Math.floor(448 * MIB * 0.7))
  t.equal(budgetBytes(512 * MIB, 2), Math.floor((224 - 64) * MIB * 0.7))
  t.equal(budgetBytes(64 * MIB), 8 * MIB, 'never nothing')
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 128 * MIB, max: 2 ** 40 }), (processes, limit) => {
      if (budgetBytes(limit, processes) * processes >= limit) throw new Error('all together take more than there is')
    }),
  )
})

t.test('what a connection may queue shrinks with what is left', async t => {
  t.equal(queueLimit(0, 262_144), 262_144)
  t.equal(queueLimit(0.5, 262_144), 262_144)
  t.equal(queueLimit(0.75, 262_144), 131_072)
  t.equal(queueLimit(1, 262_144), 2048, 'whose reader keeps up is always read')
  t.equal(queueLimit(7, 262_144), 2048)
  t.equal(queueLimit(7, 1024), 1024)
  fc.assert(
    fc.property(fc.double({ min: 0, max: 2, noNaN: true }), fc.double({ min: 0, max: 2, noNaN: true }), (a, b) => {
      const [less, more] = [Math.min(a, b), Math.max(a, b)]
      if (queueLimit(more, 262_144) > queueLimit(less, 262_144)) throw new Error('it may queue more when less is left')
    }),
  )
})

t.test('after some were closed, the others may queue more with each look', async t => {
  let most = mostAfter(262_144)
  t.equal(most, 2048)
  for (const expected of [4096, 8192, 16_384]) {
    most = mostAfter(262_144, most)
    t.equal(most, expected)
  }
  t.equal(mostAfter(262_144, 200_000), 262_144)
  t.equal(mostAfter(1024), 1024)
})

t.test('what has passed may be in the kernel more than once', async t => {
  t.equal(usedAfter(10, 0), 10)
  t.equal(usedAfter(10, 5), 25)
})

t.test('as many clients that pour may be read as what comes instead has room', async t => {
  t.notOk(isPouring(16_383))
  t.ok(isPouring(16_384))
  t.equal(mostPouring(40 * MIB, 64 * MIB), 24)
  t.equal(mostPouring(64 * MIB, 64 * MIB), 1, 'one always')
  t.equal(mostPouring(90 * MIB, 64 * MIB), 1)
})

t.test('what the kernel takes for each byte is measured, within what is possible', async t => {
  t.equal(costPerByte(30 * MIB, 20 * MIB), 1.5)
  t.equal(costPerByte(20 * MIB, 30 * MIB), 1, 'they were not asked at the same moment')
  t.equal(costPerByte(20 * MIB, MIB), 4, 'the rest is on sockets that hold little')
  t.equal(costPerByte(20 * MIB, 0), 1)
})

t.test('connections are looked at one by one when memory is short, or much of it is in the kernel', async t => {
  t.notOk(isTight(50, 10, 100))
  t.ok(isTight(51, 0, 100))
  t.ok(isTight(11, 11, 100))
})

t.test('the less is left, the sooner memory is measured again', async t => {
  t.equal(lookAfterBytes(0, 1000 * MIB), 16 * MIB)
  t.equal(lookAfterBytes(16 * MIB, 80 * MIB), 8 * MIB)
  t.equal(lookAfterBytes(80 * MIB, 80 * MIB), MIB)
  t.equal(lookAfterBytes(90 * MIB, 80 * MIB), MIB)
})

t.test('what is on no account counts beyond what any process grows by', async t => {
  t.equal(unaccountedBytes(30 * MIB, 0), 0)
  t.equal(unaccountedBytes(100 * MIB, 60 * MIB), 8 * MIB)
  t.equal(unaccountedBytes(100 * MIB, 200 * MIB), 0)
})

const holders = (...bytes: number[]) => bytes.map((size, n) => ({ of: n, bytes: size, unread: 0 }))
/** All that the kernel has for them is what they have sent. */
const senders = (...bytes: number[]) => holders(...bytes).map(holder => ({ ...holder, unread: holder.bytes }))
const closed = (...args: Parameters<typeof worstHolders<number>>) => worstHolders(...args).map(({ of }) => of)

t.test('who is closed: nobody before the budget is full, then the worst ones until it is well below', async t => {
  const all = holders(1 * MIB, 5 * MIB, 3 * MIB, 2 * MIB)
  t.strictSame(closed(all, 19 * MIB, 20 * MIB), [])
  t.strictSame(closed(all, 20 * MIB, 20 * MIB), [1])
  t.strictSame(closed(all, 24 * MIB, 20 * MIB), [1, 2, 3])
  t.strictSame(closed(holders(LEAST_HOLDING_BYTES - 1), 30 * MIB, 20 * MIB), [], 'who holds little is never closed')
})

t.test(
  'those who send more than is taken are closed until little of it is left: it becomes more whatever is done',
  async t => {
    const all = [...senders(...Array.from({ length: 60 }, () => MIB)), ...holders(2 * MIB)]
    t.equal(closed(all, 100 * MIB, 100 * MIB).length, 51, 'the one that holds most, and all but ten senders')
    t.equal(closed(all, 62 * MIB, 100 * MIB).length, 50, 'also before the budget is full; nobody else')
    t.notOk(closed(all, 62 * MIB, 100 * MIB).includes(60))
    t.strictSame(
      closed(senders(...Array.from({ length: 49 }, () => MIB)), 80 * MIB, 100 * MIB),
      [],
      'it is not that much',
    )
    t.strictSame(
      closed(senders(...Array.from({ length: 2000 }, () => LEAST_HOLDING_BYTES - 1)), 130 * MIB, 100 * MIB),
      [],
    )
  },
)

t.test('who is closed holds at least as much as everybody who is not, and no more are than needed', async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 4 * MIB }), { maxLength: 50 })
  fc.assert(
    fc.property(sizes, fc.integer({ min: 0, max: 100 * MIB }), (bytes, others) => {
      const all = holders(...bytes)
      const used = others + bytes.reduce((sum, size) => sum + size, 0)
      const budget = 64 * MIB
      const worst = worstHolders(all, used, budget)
      const least = Math.min(...worst.map(holder => holder.bytes))
      const left = used - worst.reduce((sum, holder) => sum + holder.bytes, 0)
      if (used < budget && worst.length > 0) throw new Error('there was no need')
      if (worst.length > 0 && left + least <= budget * 0.75) throw new Error('one less was enough')
      for (const holder of all)
        if (!worst.includes(holder) && holder.bytes > least) throw new Error('a worse one was spared')
    }),
  )
})
