import t from 'tap'
import { RecentIds } from '../../../sidecar/receive/recent-ids.ts'

t.test('what became of a message is known as long as it is among the last', async t => {
  const recent = new RecentIds(8192)
  t.equal(recent.find(5), 'new')
  const slot = recent.add(5)
  t.equal(recent.find(5), 'pending')
  recent.settle(slot, 5, 'slow_consumer')
  t.equal(recent.find(5), 'slow_consumer')
  const other = recent.add(9)
  recent.settle(other, 9, undefined)
  t.equal(recent.find(9), 'not_delivered')
  t.equal(recent.find(10), 'new')
  t.equal(recent.find(7), 'forgotten', 'it was never seen, but later ones were')
  t.equal(recent.find(4), 'forgotten')
})

t.test('what was not delivered is being delivered once it is tried again', async t => {
  const recent = new RecentIds(8192)
  recent.settle(recent.add(1), 1, undefined)
  const slot = recent.reopen(1)
  t.equal(recent.find(1), 'pending')
  recent.settle(slot as number, 1, 'delivered')
  t.equal(recent.find(1), 'delivered')
  t.equal(recent.reopen(2), undefined)
})

t.test('numbers begin anew after 2³², and the oldest are forgotten', async t => {
  const recent = new RecentIds(8192)
  const first = 0xffffffff - 5000
  for (let n = 0; n < 20_000; n++) {
    const id = (first + n) >>> 0
    t.equal(recent.find(id), 'new')
    recent.settle(recent.add(id), id, 'delivered')
  }
  const last = (first + 19_999) >>> 0
  t.equal(recent.find(last), 'delivered')
  t.equal(recent.find((last - 8191) >>> 0), 'delivered')
  t.equal(recent.find((last - 8192) >>> 0), 'forgotten')
  t.equal(recent.find((last + 1) >>> 0), 'new')
})

t.test('there is more room than at first only where it is needed', async t => {
  const recent = new RecentIds(1000)
  const { bytes } = recent
  for (let id = 1; id <= 512; id++) recent.settle(recent.add(id), id, 'delivered')
  t.equal(recent.bytes, bytes)
  const slot = recent.add(513)
  t.ok(recent.bytes > bytes && recent.bytes <= 5000)
  for (let id = 514; id <= 1000; id++) recent.add(id)
  recent.settle(slot, 513, 'offline')
  t.strictSame(
    [1, 512, 513, 1000].map(id => recent.find(id)),
    ['delivered', 'delivered', 'offline', 'pending'],
  )
  recent.add(1001)
  t.strictSame(
    [1, 2, 1001].map(id => recent.find(id)),
    ['forgotten', 'delivered', 'pending'],
  )
})

t.test('an outcome that comes when its place is taken changes nothing', async t => {
  const recent = new RecentIds(8192)
  const slot = recent.add(1)
  for (let id = 2; id <= 8193; id++) recent.add(id)
  recent.settle(slot, 1, 'delivered')
  t.equal(recent.find(8193), 'pending')
})
