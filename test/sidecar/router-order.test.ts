import assert from 'node:assert/strict'
import { mock } from 'node:test'
import fc from 'fast-check'
import type { Counter } from 'prom-client'
import t from 'tap'
import type { Bridge } from '../../lib/bridge/bridge.ts'
import { createMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { createLogger } from '../../lib/service/log/log.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import type { Message } from '../../lib/websocket/message.ts'
import { Registry } from '../../sidecar/connections/registry.ts'
import { KnownPeers } from '../../sidecar/peers/known-peers.ts'
import { Delivery } from '../../sidecar/receive/delivery.ts'
import { Finder } from '../../sidecar/send/finder.ts'
import { LocationCache } from '../../sidecar/send/location-cache.ts'
import { Router } from '../../sidecar/send/router.ts'
import type { Deadline } from '../../sidecar/transport/deadline.ts'
import type { Answer } from '../../sidecar/transport/outcome.ts'
import { serialNumbers } from '../../sidecar/transport/serial-numbers.ts'
import type { Transport } from '../../sidecar/transport/transport.ts'
import type { Scope } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { noSenders } from './no-senders.ts'

const [HERE, THERE, ELSEWHERE] = [1, 2, 3].map(n => createMember('127.0.0.1', n)) as [
  ReturnType<typeof createMember>,
  ReturnType<typeof createMember>,
  ReturnType<typeof createMember>,
]

interface Started {
  readonly text: string
  readonly at: string
  readonly start: boolean
  readonly end: (answer?: Answer) => void
  readonly deadline?: Deadline
}

/** A router whose deliveries end when the test says so: `started` has them in the order in which they began. */
function start(t: Scope, { pipelines = true, maxQueueBytes = 1_000_000 } = {}) {
  const started: Started[] = []
  const world = { owner: THERE, pipelines, unsettled: false }
  const registry = new Registry()
  const transport: Transport = {
    send: (member, { message: { data }, start }, deadline) =>
      new Promise(resolve => {
        const end = (answer: Answer = 'delivered') => resolve(answer)
        started.push({ text: data.toString(), at: member.name, end, start, deadline })
      }),
    announce: () => Promise.resolve(true),
    pipelines: () => world.pipelines,
    end: () => {},
    close: () => {},
  }
  const recipient = {
    state: 'open',
    send: (_side: string, { data }: Message) =>
      new Promise(resolve => {
        started.push({ text: data.toString(), at: 'here', end: () => resolve('sent'), start: true })
      }),
  } as unknown as Bridge
  const holds = { count: 0 }
  const bridge = { hold: () => holds.count++, release: () => holds.count--, charge: () => {} } as unknown as Bridge
  const metrics = new Metrics()
  const self = HERE.name
  const locationCache = new LocationCache({ self, metrics })
  const finder = new Finder({
    self,
    members: () => MemberSet.of([world.owner]),
    history: { changedWithin: () => world.unsettled, isNew: () => false, formerOwners: () => [] },
    knownPeers: new KnownPeers({
      members: () => MemberSet.of([world.owner]),
      history: { get: () => undefined },
    }),
    registry,
    locationCache,
    delivery: new Delivery({
      ...noSenders,
      self,
      owner: () => undefined,
      registry,
      locationCache,
      relay: () => {},
      maxWaitingBytes: 1_000_000,
      maxWaitMs: 60_000,
    }),
    transport,
    timeoutMs: 60_000,
    metrics,
  })
  const router = new Router({
    finder,
    transport,
    nextLane: serialNumbers(),
    timeoutMs: 60_000,
    recipientWaitMs: 1000,
    maxQueueBytes: () => maxQueueBytes,
    log: createLogger('test', 'test', 'silent'),
    metrics,
  })
  const end = async (index: number, answer?: Answer) => {
    started[index]?.end(answer)
    await new Promise(setImmediate)
  }
  const outcomes = async () => {
    const { values } = await (
      metrics.registry.getSingleMetric('ws_operator_messages_routed_total') as Counter<'outcome'>
    ).get()
    return Object.fromEntries(
      values.filter(({ value }) => value > 0).map(({ labels, value }) => [labels.outcome, value]),
    )
  }
  t.teardown(async () => {
    for (let index = 0; index < started.length; index++) await end(index)
  })
  return {
    started,
    world,
    end,
    holds,
    outcomes,
    locationCache,
    idle: () => router.idle(bridge),
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
  for (let n = 0; n < 5; n++) send('x'.repeat(244))
  t.equal(texts().length, 2, 'an eighth')
  t.equal(holds.count, 0)
  for (let n = 0; n < 15; n++) send('x'.repeat(244))
  t.equal(holds.count, 1)
  for (let n = 0; n < 20; n++) await end(n)
  t.equal(texts().length, 20)
  t.equal(holds.count, 0)
})

t.test('what was not delivered comes back, and goes on elsewhere in its order, before what came after it', async t => {
  const { started, send, texts, end, outcomes, locationCache } = start(t)
  for (const text of ['1', '2', '3']) send(text)
  await end(0)
  await end(2, { member: ELSEWHERE.name })
  send('4')
  t.equal(texts().length, 3, 'nothing goes there any more while one has no answer')
  await end(1, { member: ELSEWHERE.name })
  t.strictSame(texts().slice(3), [`2 ${ELSEWHERE.name}`], 'the first of them, alone')
  await end(3)
  t.strictSame(texts().slice(4), [`3 ${ELSEWHERE.name}`, `4 ${ELSEWHERE.name}`], 'the others follow at once')
  t.strictSame(
    started.map(({ start }) => start),
    [true, false, false, true, true, false],
  )
  t.equal(locationCache.get('bob'), ELSEWHERE.name, 'it is known where they are')
  await end(4)
  await end(5)
  t.strictSame(await outcomes(), { delivered: 4 })
})

t.test('offline: in calm times it is final at once, also for what has gone after it; the next begins anew', async t => {
  const { started, send, texts, end, outcomes } = start(t)
  for (const text of ['1', '2']) send(text)
  await end(0, 'offline')
  send('3')
  t.equal(texts().length, 2)
  await end(1, 'offline')
  t.strictSame(texts().slice(2), [`3 ${THERE.name}`])
  t.equal(started[2]?.start, true)
  t.strictSame(await outcomes(), { offline: 2 })
})

t.test('offline in unsettled times: asked again until the time is over', async t => {
  const { started, send, end, outcomes, world } = start(t)
  world.unsettled = true
  send('1')
  await end(0, 'offline')
  for (let n = 1; n < 4; n++) {
    await waitFor(() => started.length === n + 1, 'it is asked again')
    await end(n, n < 3 ? 'offline' : 'delivered')
  }
  t.strictSame(await outcomes(), { delivered: 1 })
  send('2')
  await waitFor(async () => {
    await end(started.length - 1, 'offline')
    return (await outcomes())['offline'] === 1
  }, 'the time is over')
})

t.test('idle: when all that came from a connection has its outcome', async t => {
  const { send, end, idle } = start(t)
  await idle()
  send('1')
  send('2')
  let done = false
  const waiting = idle().then(() => {
    done = true
  })
  await end(0)
  t.notOk(done)
  await end(1)
  await waiting
  t.ok(done)
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
          assert.equal(started[seen]?.text, String(seen))
          assert.ok(ways.size === 0 || (ways.size === 1 && ways.has(started[seen]?.at)), 'one way at a time')
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
      assert.equal(started.length, sent, 'each has begun')
    }),
    { numRuns: 100 },
  )
})

t.test(
  'messages of one side go to 128 recipients at a time; each of the others follows when one of these is done',
  async t => {
    const { send, started, end, outcomes, idle } = start(t)
    const count = 1000
    for (let n = 0; n < count; n++) send(`${n} first`, `user-${n}`)
    for (let n = 0; n < count; n++) send(`${n} second`, `user-${n}`)
    t.equal(new Set(started.map(({ text }) => text.split(' ')[0])).size, 128)
    for (let index = 0; index < started.length; index++) await end(index)
    await idle()
    t.strictSame(await outcomes(), { delivered: 2 * count })
    const texts = started.map(({ text }) => text)
    t.equal(new Set(texts).size, 2 * count, 'each once')
    for (let n = 0; n < count; n++) t.ok(texts.indexOf(`${n} first`) < texts.indexOf(`${n} second`), 'in order')
  },
)

t.test(
  'a message that is sent again because its sender is not known there has one time limit for all attempts',
  async t => {
    const clock = { now: performance.now() }
    const time = mock.method(performance, 'now', () => clock.now)
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => {
      time.mock.restore()
      mock.timers.reset()
    })
    const introduce: Answer = { member: undefined, introduce: true }
    const { send, started, end, outcomes } = start(t)
    send('hello')
    clock.now += 50_000
    await end(0, introduce)
    t.equal(started.length, 2)
    t.equal(started[1]?.deadline?.aborted, false)
    mock.timers.tick(10_100)
    t.equal(started[1]?.deadline?.aborted, true, 'of the 60 s 10 were left')
    clock.now += 10_100
    await end(1, introduce)
    t.strictSame(await outcomes(), { rejected: 1 })
    t.equal(started.length, 2)
  },
)
