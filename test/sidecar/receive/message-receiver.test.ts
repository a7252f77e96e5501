import { mock } from 'node:test'
import t from 'tap'
import { Allotment } from '../../../lib/service/memory/allotment.ts'
import { MemoryBudget } from '../../../lib/service/memory/budget.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { MessageReceiver } from '../../../sidecar/receive/message-receiver.ts'
import { SMALLEST_DELIVER_BYTES } from '../../../sidecar/transport/link/link-frames.ts'
import { A_MOMENT_AGO, type Answer } from '../../../sidecar/transport/outcome.ts'
import type { IncomingMessage } from '../../../sidecar/transport/transport.ts'

/** An receiver whose deliveries a test decides on. */
function start(
  answer: (text: string) => Answer | Promise<Answer> = () => 'delivered',
  windowBytes = 262_144,
  memory = new Allotment(1e9),
  maxSenders = 4000,
) {
  const delivered: string[] = []
  const announced: string[] = []
  const metrics = new Metrics()
  const receiver = new MessageReceiver({
    ended: () => {},
    delivery: {
      deliver({ message }) {
        delivered.push(message.data.toString())
        return answer(message.data.toString())
      },
    },
    locationCache: { announced: (member, users) => void announced.push(member, ...users) },
    knownPeers: { addVerified: member => void announced.push(`verified ${member}`), get: () => undefined },
    windowBytes,
    memory,
    maxSenders,
    metrics,
  })
  const duplicates = async () =>
    (await metrics.registry.getSingleMetric('ws_operator_duplicates_total')?.get())?.values[0]?.value
  return { receiver, delivered, announced, duplicates, from: (name = 'pod-a') => receiver.from(name) }
}

const incoming = (id: number, more: Partial<IncomingMessage> = {}): IncomingMessage => ({
  id,
  lane: 1,
  user: 'bob',
  deliver: 'app',
  start: true,
  repeated: false,
  deliveredTo: undefined,
  message: { data: Buffer.from(String(id)), binary: false },
  ...more,
})

t.test('a message that comes again is answered as before, and delivered once', async t => {
  let finish = (_: Answer) => {}
  const { from, delivered, duplicates } = start(text =>
    text === '2'
      ? new Promise(resolve => {
          finish = resolve
        })
      : 'slow_consumer',
  )
  t.equal(await from().receive(incoming(1)), 'slow_consumer')
  const first = from().receive(incoming(2))
  const again = [1, 2].map(() => from().receive(incoming(2, { repeated: true })))
  t.equal(await from().receive(incoming(1, { repeated: true })), 'slow_consumer')
  finish('delivered')
  t.strictSame(await Promise.all([first, ...again]), ['delivered', 'delivered', 'delivered'])
  t.equal(await from().receive(incoming(2, { repeated: true })), 'delivered')
  t.strictSame(delivered, ['1', '2'])
  t.equal(await duplicates(), 4)
  t.equal(await from('pod-b').receive(incoming(1, { repeated: true })), 'slow_consumer', 'somebody else’s is another')
  t.equal(delivered.length, 3)
})

t.test(
  'a message that comes again and never came is delivered; one that may have come too long ago is not',
  async t => {
    const { from, delivered } = start()
    t.equal(await from().receive(incoming(1, { repeated: true })), 'delivered')
    for (let id = 2; id <= 16_000; id++) await from().receive(incoming(id))
    t.equal(await from().receive(incoming(1, { repeated: true })), 'timeout')
    t.equal(delivered.length, 16_000)
  },
)

t.test('a message that was not delivered can still be, when it comes again', async t => {
  let here = false
  const { from } = start(() => (here ? 'delivered' : 'offline'))
  t.equal(await from().receive(incoming(1)), 'offline')
  here = true
  t.equal(await from().receive(incoming(1, { repeated: true })), 'delivered')
  t.equal(await from().receive(incoming(1, { repeated: true })), 'delivered')
})

t.test('a lane stops at a message that was not delivered, until it starts again; other lanes go on', async t => {
  for (const miss of ['offline', A_MOMENT_AGO, { member: 'b:1' }] as const) {
    let here = false
    const { from, delivered } = start(() => (here ? 'delivered' : miss))
    t.equal(await from().receive(incoming(1)), miss)
    here = true
    t.equal(await from().receive(incoming(2, { start: false })), miss, 'the same answer')
    t.equal(await from().receive(incoming(3, { start: false, repeated: true })), miss)
    t.equal(await from().receive(incoming(4, { start: false, lane: 2 })), 'delivered')
    t.equal(await from('pod-b').receive(incoming(4, { start: false })), 'delivered', 'and other senders')
    t.equal(await from().receive(incoming(5)), 'delivered')
    t.equal(await from().receive(incoming(6, { start: false })), 'delivered')
    t.strictSame(delivered, ['1', '4', '4', '5', '6'])
  }
})

t.test('also at one that is found late not to be delivered, unless the lane has started again', async t => {
  const finish = new Map<string, (answer: Answer) => void>()
  const { from } = start(text => new Promise(resolve => finish.set(text, resolve)))
  const late = from().receive(incoming(1))
  finish.get('1')?.('offline')
  t.equal(await late, 'offline')
  t.equal(await from().receive(incoming(2, { start: false })), 'offline')
  const given = from().receive(incoming(3))
  const next = from().receive(incoming(4))
  finish.get('3')?.('offline')
  t.equal(await given, 'offline')
  const follows = from().receive(incoming(5, { start: false }))
  finish.get('4')?.('delivered')
  finish.get('5')?.('delivered')
  t.equal(await next, 'delivered')
  t.equal(await follows, 'delivered')
})

t.test('too slow, too large and the like do not stop a lane', async t => {
  const { from } = start(text => (text === '1' ? 'slow_consumer' : 'delivered'))
  t.equal(await from().receive(incoming(1)), 'slow_consumer')
  t.equal(await from().receive(incoming(2, { start: false })), 'delivered')
})

t.test('what comes by itself: one that is older than what came after it in its lane is not delivered', async t => {
  const { from, delivered } = start()
  t.equal(await from().receiveLoose(incoming(2)), 'delivered')
  t.equal(await from().receiveLoose(incoming(1)), 'rejected')
  t.equal(await from().receiveLoose(incoming(1, { lane: 2 })), 'delivered')
  t.equal(await from().receive(incoming(7)), 'delivered')
  t.equal(await from().receiveLoose(incoming(6)), 'rejected', 'also after a link')
  // Many other lanes do not make it forget at once.
  for (let lane = 10; lane < 4000; lane++) await from().receive(incoming(lane, { lane }))
  t.equal(await from().receiveLoose(incoming(6)), 'rejected')
  t.equal(delivered.filter(text => text === '6' || text === '1').length, 1)
})

t.test('a delivery that fails is told so, and leaves nothing behind', async t => {
  const { from } = start(() => Promise.reject(new Error('broken')))
  await t.rejects(Promise.resolve(from().receive(incoming(1))), { message: 'broken' })
  t.equal(await from().receive(incoming(1, { repeated: true })), 'rejected')
})

t.test('every process has another boot, and announcements are passed on', async t => {
  const { receiver, announced } = start()
  t.equal(receiver.boot.length, 16)
  t.notOk(receiver.boot.equals(start().receiver.boot))
  receiver.addVerified('b:1')
  receiver.announced('b:1', ['ann', 'bob'])
  t.strictSame(announced, ['verified b:1', 'b:1', 'ann', 'bob'])
})

t.test(
  'a message that was not delivered at first and comes a third time while the second is being delivered: once',
  async t => {
    const { promise, resolve } = Promise.withResolvers<Answer>()
    const answers: (Answer | Promise<Answer>)[] = ['offline', promise]
    const { from, delivered } = start(() => answers.shift() ?? 'rejected')
    t.equal(await from().receive(incoming(1)), 'offline')
    const again = [1, 2].map(() => from().receive(incoming(1, { repeated: true })))
    resolve('delivered')
    t.strictSame(await Promise.all(again), ['delivered', 'delivered'])
    t.strictSame(delivered, ['1', '1'])
  },
)

t.test('all that a window can hold of the smallest messages is remembered when it comes again', async t => {
  const small = 20_000
  const { from, delivered } = start(() => 'delivered', small * SMALLEST_DELIVER_BYTES)
  const session = from()
  for (let id = 1; id <= small; id++) await session.receive(incoming(id))
  const again = new Set<Answer>()
  for (let id = 1; id <= small; id++) again.add(await session.receive(incoming(id, { repeated: true })))
  t.strictSame([...again], ['delivered'])
  t.equal(delivered.length, small)
})

t.test('all senders together are remembered in bounded memory: the oldest ones lose their lanes first', async t => {
  const { from } = start(() => 'delivered', 262_144, new Allotment(64 * 1000))
  // The lane of each has begun with 2: 1 comes too late, as long as that is known.
  const begin = (sender: string, lanes: number) => {
    for (let lane = 1; lane <= lanes; lane++) void from(sender).receiveLoose(incoming(2, { lane }))
  }
  const knows = async (sender: string) =>
    (await from(sender).receiveLoose(incoming(1, { start: false, lane: 1 }))) === 'rejected'
  begin('pod-a', 100)
  begin('pod-b', 100)
  t.ok(await knows('pod-a'), 'and it is heard of again')
  begin('pod-c', 850)
  t.strictSame([await knows('pod-a'), await knows('pod-b'), await knows('pod-c')], [true, false, true])
  begin('pod-d', 2000)
  t.strictSame([await knows('pod-a'), await knows('pod-c')], [false, false])
})

t.test('where that is not enough, who was not heard of for longest is forgotten', async t => {
  const { from } = start(() => 'delivered', 262_144, new Allotment(10_000))
  for (const sender of ['pod-a', 'pod-b', 'pod-c', 'pod-d', 'pod-e'])
    for (let id = 1; id <= 600; id++) await from(sender).receive(incoming(id))
  t.equal(await from('pod-e').receive(incoming(1, { repeated: true })), 'delivered')
  t.equal(await from('pod-e').receive(incoming(0, { repeated: true })), 'timeout', 'it is known to have been before')
  t.equal(
    await from('pod-a').receive(incoming(0, { repeated: true })),
    'timeout',
    'nothing is known of it any more, so it may have been',
  )
})

t.test('a link that lives on keeps what is known of its sender, however many others there are', async t => {
  const { delivered, receiver } = start(undefined, undefined, undefined, 2)
  const session = receiver.from('pod-a')
  await session.receive(incoming(1))
  for (const other of ['pod-b', 'pod-c', 'pod-d']) receiver.from(other)
  // As a link does with each ping.
  receiver.from('pod-a', session)
  t.equal(await receiver.from('pod-a').receive(incoming(1, { repeated: true })), 'delivered')
  t.equal(delivered.length, 1, 'once')
})

t.test('a sender that was forgotten and comes back: what it sends again may have been delivered', async t => {
  const { delivered, receiver } = start(undefined, undefined, undefined, 2)
  await receiver.from('pod-a').receive(incoming(1))
  for (const other of ['pod-b', 'pod-c', 'pod-d']) receiver.from(other)
  t.equal(await receiver.from('pod-a').receive(incoming(1, { repeated: true })), 'timeout')
  t.equal(await receiver.from('pod-a').receive(incoming(2)), 'delivered')
  t.equal(delivered.length, 2, 'each once')
})

t.test('what is remembered is on its account, and stays within its part of the budget', async t => {
  const { deduplication } = new MemoryBudget(1e6).accounts
  const { from, delivered } = start(undefined, undefined, new Allotment(100_000, deduplication))
  await from().receive(incoming(1))
  const one = deduplication.bytes
  t.ok(one > 512)
  await from().receive(incoming(2))
  t.equal(deduplication.bytes, one, 'it remembers many for that')
  for (let id = 1; id <= 20_000; id++) {
    await from(`pod-${id % 50}`).receive(incoming(id, { lane: id }))
    if (deduplication.bytes > 100_000) t.fail(`${deduplication.bytes} after ${id}`)
  }
  t.ok(deduplication.bytes > 50_000, `${deduplication.bytes}`)
  t.equal(delivered.length, 20_002)
})

t.test('what was remembered of senders that are gone takes nothing any more', async t => {
  const clock = { now: performance.now() }
  const time = mock.method(performance, 'now', () => clock.now)
  t.teardown(() => time.mock.restore())
  const { deduplication } = new MemoryBudget(1e6).accounts
  const { from } = start(undefined, undefined, new Allotment(100_000, deduplication))
  for (const sender of ['pod-a', 'pod-b', 'pod-c']) await from(sender).receive(incoming(1))
  const three = deduplication.bytes
  clock.now += 121_000
  await from('pod-d').receive(incoming(1))
  t.equal(deduplication.bytes, three / 3)
})
