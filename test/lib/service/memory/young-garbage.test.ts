import t from 'tap'
import { YoungGarbage } from '../../../../lib/service/memory/young-garbage.ts'

const MIB = 1 << 20

t.test('it collects once a part of the budget has been read', async t => {
  let collections = 0
  const garbage = new YoungGarbage(128 * MIB, () => collections++)
  for (let n = 0; n < 7; n++) garbage.add(MIB / 2)
  t.equal(collections, 0)
  garbage.add(MIB / 2)
  t.equal(collections, 1)
  for (let n = 0; n < 8; n++) garbage.add(MIB)
  t.equal(collections, 3)
})

t.test('without a budget it leaves V8 alone, with a small one it collects rarely', async t => {
  let collections = 0
  const endless = new YoungGarbage(Number.POSITIVE_INFINITY, () => collections++)
  for (let n = 0; n < 1000; n++) endless.add(MIB)
  t.equal(collections, 0)
  const small = new YoungGarbage(1000, () => collections++)
  small.add(2 * MIB - 1)
  t.equal(collections, 0)
  small.add(1)
  t.equal(collections, 1)
})

t.test('buffers that are no longer used are freed', async t => {
  const garbage = new YoungGarbage(64 * MIB)
  const before = process.memoryUsage().arrayBuffers
  let most = 0
  for (let n = 0; n < 1000; n++) {
    Buffer.from(Buffer.allocUnsafeSlow(65_536))
    garbage.add(2 * 65_536)
    most = Math.max(most, process.memoryUsage().arrayBuffers - before)
  }
  t.ok(most < 8 * MIB, `at most ${most} bytes of 125 MiB`)
})
