import t from 'tap'
import { Collector } from '../../../../lib/service/memory/collect.ts'

const MIB = 1 << 20

t.test('a collection of use is followed by another after a second; one of none waits longer and longer', async t => {
  let [time, resident, frees, collections] = [0, 1000 * MIB, 10 * MIB, 0]
  const collector = new Collector({
    now: () => time,
    resident: () => resident,
    collect() {
      collections++
      resident -= frees
    },
  })
  t.ok(collector.tryToCollect())
  t.notOk(collector.tryToCollect(), 'not at once')
  time += 1000
  frees = MIB
  t.ok(collector.tryToCollect())
  const pauses: number[] = []
  for (let n = 0; n < 8; n++) {
    const since = time
    while (!collector.tryToCollect()) time += 500
    pauses.push(time - since)
  }
  t.strictSame(pauses, [2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
  frees = 10 * MIB
  time += 60_000
  t.ok(collector.tryToCollect())
  time += 1000
  t.ok(collector.tryToCollect(), 'of use again')
  t.equal(collections, 12)
})

t.test('V8 collects when it is asked to', async t => {
  const garbage: WeakRef<object>[] = []
  for (let n = 0; n < 100; n++) garbage.push(new WeakRef({ n }))
  // A reference that was just made lasts to the end of its job.
  await new Promise(resolve => setImmediate(resolve))
  t.ok(new Collector().tryToCollect())
  t.ok(garbage.every(item => item.deref() === undefined))
})
