import t from 'tap'
import { IncomingLanes } from '../../../sidecar/receive/incoming-lanes.ts'

function start() {
  const grown = { bytes: 0 }
  const lanes = new IncomingLanes(bytes => {
    grown.bytes += bytes
  })
  return { lanes, grown }
}

t.test('a message before the last start of its lane is old', async t => {
  const { lanes } = start()
  lanes.start(1, 5)
  t.strictSame(
    [lanes.isOld(1, 4), lanes.isOld(1, 5), lanes.isOld(1, 6), lanes.isOld(2, 4)],
    [true, false, false, false],
  )
  lanes.start(1, 0xffffffff)
  t.notOk(lanes.isOld(1, 3), 'numbers begin anew after 2³²')
})

t.test('a lane stops with the answer of the undelivered message, until it starts again', async t => {
  const { lanes } = start()
  const miss = { member: 'b:1' }
  lanes.start(1, 1)
  lanes.stop(1, 1, miss)
  t.equal(lanes.stopped(1), miss)
  t.equal(lanes.stopped(2), undefined)
  lanes.start(1, 2)
  t.equal(lanes.stopped(1), undefined)
  lanes.stop(1, 1, miss)
  t.equal(lanes.stopped(1), undefined, 'the sender has already gone on')
})

t.test('starts of at least the last 4,096 lanes are remembered', async t => {
  const { lanes } = start()
  for (let lane = 0; lane < 10_000; lane++) lanes.start(lane, 5)
  const known = (lane: number) => lanes.isOld(lane, 1)
  t.strictSame([known(0), known(10_000 - 4096), known(9999)], [false, true, true])
})

t.test('memory is reported as it grows, and gone when the lanes are forgotten', async t => {
  const { lanes, grown } = start()
  for (let lane = 0; lane < 10; lane++) lanes.start(lane, 1)
  lanes.start(0, 2)
  lanes.stop(0, 2, 'offline')
  t.ok(lanes.bytes > 0)
  t.equal(grown.bytes, lanes.bytes)
  lanes.forget()
  t.strictSame([lanes.bytes, lanes.isOld(1, 0), lanes.stopped(0)], [0, false, undefined])
})
