import fc from 'fast-check'
import t from 'tap'
import { createMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { createLogger } from '../../lib/service/log.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import type { Bridge } from '../../lib/wire/bridge.ts'
import type { Message } from '../../lib/wire/message.ts'
import type { Outcome } from '../../lib/wire/outcome.ts'
import type { Transport } from '../../lib/wire/transport/transport.ts'
import { Registry } from '../../sidecar/registry.ts'
import { Router } from '../../sidecar/router.ts'
import type { Scope } from '../helpers/stack.ts'

const [HERE, THERE, ELSEWHERE] = [1, 2, 3].map(n => createMember('127.0.0.1', n)) as [
  ReturnType<typeof createMember>,
  ReturnType<typeof createMember>,
  ReturnType<typeof createMember>,
]

/** A router whose deliveries end when the test says so: `started` has them in the order in which they began. */
function start(t: Scope, { pipelines = true, maxQueueBytes = 1_000_000 } = {}) {
  const started: { text: string; at: string; end: (outcome?: Outcome) => void }[] = []
  const world = { owner: THERE, pipelines }
  const registry = new Registry()
  const transport: Transport = {
    send: (member, _user, _deliver, { data }) =>
      new Promise(resolve => {
        started.push({ text: data.toString(), at: member.name, end: (outcome = 'delivered') => resolve(outcome) })
      }),
    pipelines: () => world.pipelines,
    close: () => {},
  }
  const recipient = {
    state: 'open',
    send: (_side: string, { data }: Message) =>
      new Promise(resolve => {
        started.push({ text: data.toString(), at: 'here', end: () => resolve('sent') })
      }),
  } as unknown as Bridge
  const holds = { count: 0 }
  const bridge = { hold: () => holds.count++, release: () => holds.count-- } as unknown as Bridge
  const router = new Router({
    self: HERE.name,
    members: () => MemberSet.of([world.owner]),
    registry,
    transport,
    timeoutMs: 60_000,
    maxQueueBytes,
    log: createLogger('test', 'test', 'silent'),
    metrics: new Metrics(),
  })
  const end = async (index: number, outcome?: Outcome) => {
    started[index]?.end(outcome)
    await new Promise(setImmediate)
  }
  t.teardown(async () => {
    for (let index = 0; index < started.length; index++) await end(index)
  })
  return {
    started,
    world,
    end,
    holds,
    texts: () => started.map(({ text, at }) => `${text} ${at}`),
    send: (text: string, to = 'bob') =>
      router.route({ bridge, side: 'client', user: 'ann' }, to, 'app', { data: Buffer.from(text), binary: false }),
    comeHere: () => registry.add('bob', recipient),
    leave: () => registry.remove('bob', recipient),
  }
}

t.test('where the transport keeps the order, messages to one member follow each other at once', async t => {
  const { send, texts } = start(t)
  for (const text of ['1', '2', '3']) send(text)
  t.strictSame(texts(), [`1 ${THERE.name}`, `2 ${THERE.name}`, `3 ${THERE.name}`])
})

t.test(
  'where it does not, a message waits for the outcome of the one before it, and for no other recipient',
  async t => {
    const { send, texts, end, world } = start(t, { pipelines: false })
    for (const text of ['1', '2', '3']) send(text)
    send('x', 'cid')
    t.strictSame(texts(), [`1 ${THERE.name}`, `x ${THERE.name}`])
    await end(0)
    t.strictSame(texts().slice(2), [`2 ${THERE.name}`])
    // The link is open now.
    world.pipelines = true
    send('4')
    t.strictSame(texts().slice(3), [`3 ${THERE.name}`, `4 ${THERE.name}`])
  },
)

t.test(
  'a recipient who comes here, leaves and gets another owner: each message waits for those on the other way',
  async t => {
    const { send, texts, end, comeHere, leave, world } = start(t)
    send('1')
    send('2')
    comeHere()
    send('3')
    t.strictSame(texts(), [`1 ${THERE.name}`, `2 ${THERE.name}`], 'not here while two are on their way there')
    await end(1)
    t.equal(texts().length, 2)
    await end(0, 'timeout')
    t.strictSame(texts().slice(2), ['3 here'])
    leave()
    send('4')
    send('5')
    t.equal(texts().length, 3, 'not there while one is on its way here')
    await end(2)
    t.strictSame(texts().slice(3), [`4 ${THERE.name}`, `5 ${THERE.name}`])
    world.owner = ELSEWHERE
    send('6')
    t.equal(texts().length, 5, 'not to the new owner while two are on their way to the old one')
    await end(3)
    await end(4)
    t.strictSame(texts().slice(5), [`6 ${ELSEWHERE.name}`])
  },
)

t.test('one sender fills only a part of a recipient’s queue; the rest waits, and in the end the sender', async t => {
  const { send, texts, end, holds } = start(t, { maxQueueBytes: 8000 })
  for (let n = 0; n < 10; n++) send('x'.repeat(244))
  t.equal(texts().length, 2, 'an eighth')
  t.equal(holds.count, 0)
  for (let n = 0; n < 10; n++) send('x'.repeat(244))
  t.equal(holds.count, 1)
  for (let n = 0; n < 20; n++) await end(n)
  t.equal(texts().length, 20)
  t.equal(holds.count, 0)
})

t.test('whatever happens, messages begin in their order and never on two ways at a time', async t => {
  const event = fc.oneof(
    { weight: 4, arbitrary: fc.constant('send') },
    { weight: 4, arbitrary: fc.constant('end') },
    fc.constantFrom('come', 'leave', 'move', 'open', 'break'),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(event, { maxLength: 60 }), fc.infiniteStream(fc.nat()), async (events, picks) => {
      const { started, send, end, comeHere, leave, world } = start(t)
      const open = new Set<number>()
      let sent = 0
      let seen = 0
      const look = () => {
        for (; seen < started.length; seen++) {
          const ways = new Set([...open].map(index => started[index]?.at))
          t.equal(started[seen]?.text, String(seen))
          t.ok(ways.size === 0 || (ways.size === 1 && ways.has(started[seen]?.at)), 'one way at a time')
          open.add(seen)
        }
      }
      for (const name of events) {
        if (name === 'send') send(String(sent++))
        else if (name === 'come') comeHere()
        else if (name === 'leave') leave()
        else if (name === 'move') world.owner = world.owner === THERE ? ELSEWHERE : THERE
        else if (name === 'open') world.pipelines = true
        else if (name === 'break') world.pipelines = false
        else if (open.size > 0) {
          const index = [...open][picks.next().value % open.size] as number
          open.delete(index)
          await end(index)
        }
        look()
      }
      for (let index = 0; index < sent; index++) {
        open.delete(index)
        await end(index)
        look()
      }
      t.equal(started.length, sent, 'each has begun')
    }),
    { numRuns: 100 },
  )
})
