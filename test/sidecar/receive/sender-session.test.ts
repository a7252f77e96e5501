import t from 'tap'
import { SenderSession } from '../../../sidecar/receive/sender-session.ts'
import { A_MOMENT_AGO, type Answer } from '../../../sidecar/transport/outcome.ts'
import type { IncomingMessage } from '../../../sidecar/transport/transport.ts'

/** Number of messages that the session of a test remembers at least. */
const MOST = 1000

/** A session whose deliveries a test decides on, by the text of the message. */
function start(answer: (text: string) => Answer | Promise<Answer> = () => 'delivered') {
  const delivered: string[] = []
  const counts = { repeated: 0, grown: 0 }
  const deliver: ConstructorParameters<typeof SenderSession>[0]['deliver'] = ({ message }) => {
    const text = message.data.toString()
    delivered.push(text)
    return answer(text)
  }
  const session = new SenderSession(
    { deliver },
    {
      most: MOST,
      isWhole: true,
      onRepeated: () => void counts.repeated++,
      onGrown: bytes => {
        counts.grown += bytes
      },
    },
  )
  return { session, delivered, counts }
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

const again = (id: number, more: Partial<IncomingMessage> = {}) => incoming(id, { repeated: true, ...more })
const follows = (id: number, more: Partial<IncomingMessage> = {}) => incoming(id, { start: false, ...more })

t.test('a repeated message gets its first answer, and is delivered once', async t => {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const { session, delivered, counts } = start(text => (text === '2' ? promise : 'slow_consumer'))
  t.equal(await session.receive(incoming(1)), 'slow_consumer')
  const first = session.receive(incoming(2))
  const repetitions = [1, 2].map(() => session.receive(again(2)))
  t.equal(await session.receive(again(1)), 'slow_consumer')
  resolve('delivered')
  t.strictSame(await Promise.all([first, ...repetitions]), ['delivered', 'delivered', 'delivered'])
  t.equal(await session.receive(again(2)), 'delivered')
  t.strictSame(delivered, ['1', '2'])
  t.equal(counts.repeated, 4)
})

t.test('a repetition of a message that never came is delivered; one from before the window is not', async t => {
  const { session, delivered } = start()
  t.equal(await session.receive(again(1)), 'delivered')
  for (let id = 2; id <= 2 * MOST; id++) await session.receive(incoming(id))
  t.equal(await session.receive(again(1)), 'timeout', 'it may have been delivered')
  t.equal(delivered.length, 2 * MOST)
})

t.test('a message that was not delivered can be delivered when it is repeated', async t => {
  for (const miss of ['offline', A_MOMENT_AGO, { member: 'b:1' }] as const) {
    const answers: Answer[] = [miss, 'delivered']
    const { session, delivered } = start(() => answers.shift() ?? 'rejected')
    t.equal(await session.receive(incoming(1)), miss)
    t.equal(await session.receive(again(1)), 'delivered')
    t.equal(await session.receive(again(1)), 'delivered')
    t.strictSame(delivered, ['1', '1'])
  }
})

t.test('two repetitions of an undelivered message: the second waits for the first', async t => {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const answers: (Answer | Promise<Answer>)[] = ['offline', promise]
  const { session, delivered } = start(() => answers.shift() ?? 'rejected')
  t.equal(await session.receive(incoming(1)), 'offline')
  const repetitions = [1, 2].map(() => session.receive(again(1)))
  resolve('delivered')
  t.strictSame(await Promise.all(repetitions), ['delivered', 'delivered'])
  t.strictSame(delivered, ['1', '1'])
})

t.test('a lane stops at an undelivered message until it starts again; other lanes go on', async t => {
  for (const miss of ['offline', A_MOMENT_AGO, { member: 'b:1' }] as const) {
    const answers: Answer[] = [miss]
    const { session, delivered } = start(() => answers.shift() ?? 'delivered')
    t.equal(await session.receive(incoming(1)), miss)
    t.equal(await session.receive(follows(2)), miss, 'the same answer')
    t.equal(await session.receive(follows(3, { repeated: true })), miss)
    t.equal(await session.receive(follows(4, { lane: 2 })), 'delivered')
    t.equal(await session.receive(incoming(5)), 'delivered')
    t.equal(await session.receive(follows(6)), 'delivered')
    t.strictSame(delivered, ['1', '4', '5', '6'])
  }
})

t.test('a late miss stops the lane, unless the lane has started again since', async t => {
  const finish = new Map<string, (answer: Answer) => void>()
  const { session } = start(text => new Promise(resolve => finish.set(text, resolve)))
  const late = session.receive(incoming(1))
  finish.get('1')?.('offline')
  t.equal(await late, 'offline')
  t.equal(await session.receive(follows(2)), 'offline')
  const abandoned = session.receive(incoming(3))
  const restart = session.receive(incoming(4))
  finish.get('3')?.('offline')
  t.equal(await abandoned, 'offline')
  const next = session.receive(follows(5))
  finish.get('4')?.('delivered')
  finish.get('5')?.('delivered')
  t.equal(await restart, 'delivered')
  t.equal(await next, 'delivered')
})

t.test('a final outcome other than delivered does not stop a lane', async t => {
  for (const outcome of ['slow_consumer', 'too_large', 'rejected', 'timeout', 'no_owner'] as const) {
    const { session } = start(text => (text === '1' ? outcome : 'delivered'))
    t.equal(await session.receive(incoming(1)), outcome)
    t.equal(await session.receive(follows(2)), 'delivered', outcome)
    t.equal(await session.receive(again(1)), outcome)
  }
})

t.test('a loose message is rejected if a newer one has started its lane', async t => {
  const { session, delivered } = start()
  t.equal(await session.receiveLoose(incoming(2)), 'delivered')
  t.equal(await session.receiveLoose(incoming(1)), 'rejected')
  t.equal(await session.receiveLoose(incoming(1, { lane: 2 })), 'delivered')
  t.equal(await session.receive(incoming(7)), 'delivered')
  t.equal(await session.receiveLoose(incoming(6)), 'rejected', 'also after a link')
  for (let lane = 10; lane < 4000; lane++) await session.receive(incoming(lane, { lane }))
  t.equal(await session.receiveLoose(incoming(6)), 'rejected', 'also after many other lanes')
  t.equal(delivered.filter(text => text === '6' || text === '1').length, 1)
})

t.test('a delivery that throws is passed on, and its repetitions are rejected', async t => {
  const { promise, reject } = Promise.withResolvers<Answer>()
  const { session, delivered } = start(() => promise)
  const first = Promise.resolve(session.receive(incoming(1)))
  const waiting = session.receive(again(1))
  reject(new Error('broken'))
  await t.rejects(first, { message: 'broken' })
  t.equal(await waiting, 'rejected')
  t.equal(await session.receive(again(1)), 'rejected')
  t.strictSame(delivered, ['1'])
})

t.test('the memory of a session is that of its window and its lanes, each of which can be forgotten', async t => {
  const { session, counts } = start(text => (text === '2' ? 'offline' : 'delivered'))
  t.equal(session.bytes, 0)
  await session.receive(incoming(1))
  await session.receive(incoming(2, { lane: 2 }))
  const { bytes } = session
  t.equal(counts.grown, bytes, 'its growth was reported')
  const lanes = session.forgetLanes()
  t.ok(lanes > 0)
  t.equal(session.bytes, bytes - lanes)
  t.equal(session.forgetLanes(), 0)
  t.equal(await session.receive(follows(3, { lane: 2 })), 'delivered', 'the lane is not stopped any more')
  t.equal(await session.receive(again(1)), 'delivered')
  t.equal(counts.repeated, 1, 'the window is still there')
  await session.receive(incoming(4))
  const both = session.bytes
  t.ok(both > bytes - lanes, 'lanes are remembered anew')
  t.equal(session.forget(), both)
  t.equal(session.bytes, 0)
  t.equal(await session.receiveLoose(again(1)), 'delivered', 'the start of the lane is forgotten')
  t.equal(await session.receive(again(1)), 'timeout', 'it may have been delivered')
})

t.test('a new message is delivered, also by a session that has forgotten everything', async t => {
  const { session } = start()
  t.equal(await session.receive(incoming(1)), 'delivered')
  session.forget()
  t.equal(await session.receive(incoming(2)), 'delivered')
})
