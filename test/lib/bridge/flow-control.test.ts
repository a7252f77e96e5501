import t from 'tap'
import { FlowControl } from '../../../lib/bridge/flow-control.ts'

const OFF = { client: 0, upstream: 0 }
const NEVER = { pingAfter: OFF, idleAfter: OFF, slowAfter: 0 }

function start(now = 100) {
  const clock = { now }
  return { clock, flow: new FlowControl(clock) }
}

t.test('a side is read unless its queue is full or its messages are still being processed', async t => {
  const { flow } = start()
  t.notOk(flow.stops('client'))
  flow.hold('client')
  t.strictSame([flow.stops('client'), flow.isHeld('client'), flow.stops('upstream')], [true, true, false])
  flow.hold('client')
  flow.release('client')
  t.ok(flow.stops('client'), 'until it was released as often as it was held')
  flow.fill('client')
  flow.release('client')
  t.strictSame([flow.stops('client'), flow.isHeld('client')], [true, false], 'its queue is full')
  flow.empty('client')
  t.notOk(flow.stops('client'))
})

t.test('a queue that fills or empties tells whether that is a change', async t => {
  const { flow } = start()
  t.strictSame([flow.fill('upstream'), flow.fill('upstream'), flow.fill('client')], [true, false, true])
  t.strictSame([flow.empty('upstream'), flow.empty('upstream')], [true, false])
})

t.test('a side was active at the start, when it sends, when it is released and when its queue empties', async t => {
  const { clock, flow } = start(5)
  t.strictSame([flow.seen('client'), flow.seen('upstream')], [5, 5])
  clock.now = 6
  flow.heard('client')
  t.strictSame([flow.seen('client'), flow.seen('upstream')], [6, 5])
  flow.hold('client')
  flow.fill('upstream')
  clock.now = 9
  t.strictSame([flow.seen('client'), flow.seen('upstream')], [6, 5])
  flow.release('client')
  flow.empty('upstream')
  t.strictSame([flow.seen('client'), flow.seen('upstream')], [9, 9])
  clock.now = 10
  flow.empty('upstream')
  t.equal(flow.seen('upstream'), 9, 'it was empty already')
})

t.test('a silent side is pinged at each multiple of its ping time, until it counts as idle', async t => {
  const { clock, flow } = start(100)
  const limits = { ...NEVER, pingAfter: { client: 2, upstream: 3 }, idleAfter: { client: 7, upstream: 0 } }
  const seen = { client: [] as unknown[], upstream: [] as unknown[] }
  for (clock.now = 100; clock.now < 109; clock.now++)
    for (const side of ['client', 'upstream'] as const) seen[side].push(flow.judge(side, limits))
  const none = undefined
  t.strictSame(seen.client, [none, none, 'ping', none, 'ping', none, 'ping', 'idle', 'idle'])
  t.strictSame(seen.upstream, [none, none, none, 'ping', none, none, 'ping', none, none], 'it is never idle')
})

t.test('any sign of life starts the silence anew', async t => {
  const { clock, flow } = start(0)
  const limits = { ...NEVER, idleAfter: { client: 3, upstream: 3 } }
  clock.now = 2
  flow.heard('client')
  clock.now = 4
  t.strictSame([flow.judge('client', limits), flow.judge('upstream', limits)], [undefined, 'idle'])
  clock.now = 5
  t.equal(flow.judge('client', limits), 'idle')
})

t.test(
  'a side that we do not read cannot be idle: its peer is slow, once the queue was full for that long',
  async t => {
    const { clock, flow } = start(0)
    const limits = { pingAfter: { client: 1, upstream: 1 }, idleAfter: { client: 2, upstream: 2 }, slowAfter: 5 }
    clock.now = 1
    flow.fill('client')
    clock.now = 4
    flow.fill('client')
    clock.now = 5
    t.equal(flow.judge('client', limits), undefined)
    clock.now = 6
    t.equal(flow.judge('client', limits), 'slow', 'counted from when it filled first')
    t.equal(flow.judge('client', { ...limits, slowAfter: 0 }), undefined, 'unless that is switched off')
    flow.empty('client')
    t.equal(flow.judge('client', limits), undefined)
    flow.fill('client')
    clock.now = 10
    t.equal(flow.judge('client', limits), undefined, 'each time is counted for itself')
  },
)

t.test('while messages of a side are being processed, it is neither pinged nor idle nor slow', async t => {
  const { clock, flow } = start(0)
  const limits = { pingAfter: { client: 1, upstream: 1 }, idleAfter: { client: 2, upstream: 2 }, slowAfter: 1 }
  flow.hold('client')
  flow.fill('client')
  clock.now = 50
  t.equal(flow.judge('client', limits), undefined)
})
