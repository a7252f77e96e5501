import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { DedupWindow } from '../../../sidecar/receive/dedup-window.ts'
import type { Answer } from '../../../sidecar/transport/outcome.ts'

function start(most = 100, isWhole = true) {
  const seen = { repeated: 0, bytes: 0 }
  const window = new DedupWindow({
    most,
    isWhole,
    onRepeated: () => {
      seen.repeated++
    },
    onGrown: bytes => {
      seen.bytes += bytes
    },
  })
  const repeat = (id: number) => {
    const entered = window.addRepeated(id)
    return 'answer' in entered ? entered.answer : 'deliver'
  }
  return { window, seen, repeat }
}

t.test('a repetition gets the answer of the first time, and waits for it', async t => {
  const { window, seen, repeat } = start()
  const slot = window.add(1)
  const waiting = [repeat(1), repeat(1)]
  window.settle(slot, 1, 'slow_consumer', 'slow_consumer')
  t.strictSame(await Promise.all(waiting), ['slow_consumer', 'slow_consumer'])
  t.equal(repeat(1), 'slow_consumer')
  t.equal(seen.repeated, 3)
})

t.test('a message that was not delivered may be delivered again, at one place at a time', async t => {
  const { window, repeat } = start()
  const miss = { member: 'b:1' }
  window.settle(window.add(1), 1, miss, undefined)
  t.equal(repeat(1), 'deliver')
  t.ok(repeat(1) instanceof Promise, 'the second delivery is in progress')
})

t.test('before the window, and where the past is unknown, a repetition may have been delivered', async t => {
  const { window, repeat } = start(2)
  for (const id of [1, 2, 3]) window.settle(window.add(id), id, 'delivered', 'delivered')
  t.strictSame([repeat(1), repeat(2), repeat(3), repeat(4)], ['timeout', 'delivered', 'delivered', 'deliver'])
  window.forget()
  t.strictSame([window.bytes, repeat(3)], [0, 'timeout'])
  t.equal(start(2, false).repeat(1), 'timeout')
  t.equal(start(2, true).repeat(1), 'deliver')
})

t.test('an answer after the window was forgotten still reaches the waiters', async t => {
  const { window, repeat } = start()
  const slot = window.add(1)
  const waiting = repeat(1)
  window.forget()
  window.settle(slot, 1, 'delivered', 'delivered')
  t.equal(await waiting, 'delivered')
})

t.test('memory that the window takes is reported as it grows', async t => {
  const { window, seen } = start(2000)
  for (let id = 1; id <= 2000; id++) {
    window.add(id)
    assert.equal(seen.bytes, window.bytes)
  }
  t.ok(seen.bytes >= 5 * 2000)
})

t.test('however messages are repeated, none is delivered beside or after a delivery', async () => {
  const event = fc.oneof(
    { weight: 3, arbitrary: fc.constant({ do: 'add' as const, pick: 0, missed: false }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('repeat' as const), pick: fc.nat(), missed: fc.boolean() }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const), pick: fc.nat(), missed: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant({ do: 'forget' as const, pick: 0, missed: false }) },
  )
  await fc.assert(
    fc.property(fc.array(event, { maxLength: 80 }), events => {
      const { window } = start(8)
      const delivered = new Set<number>()
      const open = new Map<number, number>()
      let next = 1
      for (const { do: what, pick, missed } of events) {
        const id = next > 1 ? 1 + (pick % (next - 1)) : 0
        if (what === 'add') open.set(next, window.add(next++))
        else if (what === 'forget') window.forget()
        else if (what === 'repeat' && id > 0) {
          const entered = window.addRepeated(id)
          if (!('slot' in entered)) continue
          assert.ok(!open.has(id), 'not while it is being delivered')
          assert.ok(!delivered.has(id), 'not after it was delivered')
          open.set(id, entered.slot)
        } else if (what === 'settle' && open.size > 0) {
          const [key, slot] = [...open][pick % open.size] as [number, number]
          open.delete(key)
          const answer: Answer = missed ? 'offline' : 'delivered'
          if (!missed) delivered.add(key)
          window.settle(slot, key, answer, missed ? undefined : 'delivered')
        }
      }
    }),
  )
})
