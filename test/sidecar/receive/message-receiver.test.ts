import { mock } from 'node:test'
import t from 'tap'
import { Allotment } from '../../../lib/service/memory/allotment.ts'
import { MemoryBudget } from '../../../lib/service/memory/budget.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { MessageReceiver } from '../../../sidecar/receive/message-receiver.ts'
import { SMALLEST_DELIVER_BYTES } from '../../../sidecar/transport/link/link-frames.ts'
import type { Answer } from '../../../sidecar/transport/outcome.ts'
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

t.test('each sender has a session of its own, and repetitions are counted', async t => {
  const { from, delivered, duplicates } = start(text => (text === '1' ? 'offline' : 'delivered'))
  t.equal(await from().receive(incoming(1)), 'offline')
  t.equal(await from().receive(incoming(2, { start: false })), 'offline', 'its lane has stopped')
  t.equal(await from('pod-b').receive(incoming(2, { start: false })), 'delivered', 'not that of another sender')
  t.equal(await from('pod-c').receive(incoming(2, { repeated: true })), 'delivered', 'nor is it a repetition there')
  t.equal(await duplicates(), 0)
  t.equal(await from('pod-c').receive(incoming(2, { repeated: true })), 'delivered')
  t.equal(await duplicates(), 1)
  t.strictSame(delivered, ['1', '2', '2'])
})

t.test('every process has another boot, and announcements are passed on', async t => {
  const { receiver, announced } = start()
  t.equal(receiver.boot.length, 16)
  t.notOk(receiver.boot.equals(start().receiver.boot))
  receiver.addVerified('b:1')
  receiver.announced('b:1', ['ann', 'bob'])
  t.strictSame(announced, ['verified b:1', 'b:1', 'ann', 'bob'])
})

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
