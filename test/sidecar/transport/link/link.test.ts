import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { createMember } from '../../../../lib/routing/members.ts'
import { createLinkTransport } from '../../../../sidecar/transport/link/link.ts'
import type { Answer } from '../../../../sidecar/transport/outcome.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { conformance } from '../conformance.ts'
import { identity, inOrder, routed, startPeer, text, timeLimit } from '../peer.ts'
import { BOOT, hello, startLinkPeer } from './link-peer.ts'

const TIMES = {
  handshakeMs: 2000,
  longestHandshakeMs: 8000,
  pingMs: 5000,
  idleMs: 300_000,
  firstPauseMs: 50,
  longestPauseMs: 2000,
  httpMs: 60_000,
}

// Before the other end has said hello, nothing is sent.
conformance(t, createLinkTransport, 'no_owner')

t.test('all messages to a member go on one connection, and once it is open they follow each other', async t => {
  const { member, arrivals, requests, connections } = await startPeer(t, {
    outcome: () => new Promise(resolve => setTimeout(resolve, 5, 'delivered')),
  })
  const transport = createLinkTransport(identity())
  t.teardown(() => transport.close())
  t.notOk(transport.pipelines(member), 'not before it is known that the member takes links')
  const texts = Array.from({ length: 500 }, (_, n) => text(String(n)))
  const outcomes = await Promise.all(
    Array.from({ length: 10 }, (_, n) => inOrder(transport, member, `user-${n}`, texts)),
  )
  t.ok(transport.pipelines(member))
  t.equal(outcomes.flat().filter(outcome => outcome === 'delivered').length, 5000)
  t.equal(arrivals.length, 5000)
  t.strictSame(requests, ['UPGRADE /message', 'GET /message'])
  t.equal(await connections(), 1)
})

t.test('a member that knows only HTTP is used so, and asked again for a link only after some time', async t => {
  const old = await startPeer(t, { links: false })
  const patient = createLinkTransport(identity(), { ...TIMES, httpMs: 60_000 })
  t.teardown(() => patient.close())
  t.strictSame(await inOrder(patient, old.member, 'bob', ['1', '2', '3'].map(text)), Array(3).fill('delivered'))
  t.strictSame(old.requests, ['GET /message', 'POST /message', 'POST /message', 'POST /message'])
  t.notOk(patient.pipelines(old.member))
  const transport = createLinkTransport(identity(), { ...TIMES, httpMs: 300 })
  t.teardown(() => transport.close())
  const send = (content: string) => transport.send(old.member, routed(content), timeLimit())
  t.equal(await send('4'), 'delivered')
  t.notOk(transport.pipelines(old.member))
  await old.close()
  const updated = await startPeer(t, { port: old.member.port })
  await waitFor(async () => (await send('again')) === 'delivered' && transport.pipelines(old.member), 'a link is made')
  t.ok(updated.requests.includes('UPGRADE /message'))
})

t.test('a member whose app takes the handshake, because its sidecar knows no links: HTTP', async t => {
  const app = await startLinkPeer(t, { handleProtocols: () => false })
  const transport = createLinkTransport(identity())
  t.teardown(() => transport.close())
  // Its HTTP side answers everything with 426, as a WebSocket server does.
  t.equal(await transport.send(app.member, routed('x'), timeLimit()), 'rejected')
  await waitFor(() => app.server.clients.size === 0, 'nothing stays open there')
})

t.test('while HTTP is under way to a member, nothing may overtake it on a link', async t => {
  let release = (_: Answer) => {}
  const held = new Promise<Answer>(resolve => {
    release = resolve
  })
  let refuse = true
  const { member, arrivals } = await startPeer(t, {
    refusesLinks: () => refuse,
    outcome: ({ text }) => (text === 'held' ? held : 'delivered'),
  })
  const transport = createLinkTransport(identity(), { ...TIMES, httpMs: 1 })
  t.teardown(() => transport.close())
  const send = (content: string) => transport.send(member, routed(content), timeLimit())
  const waiting = send('held')
  await waitFor(() => arrivals.length === 1, 'it has arrived')
  refuse = false
  t.equal(await send('on the link'), 'delivered')
  t.notOk(transport.pipelines(member))
  release('delivered')
  t.equal(await waiting, 'delivered')
  t.ok(transport.pipelines(member))
})

/** Lets a message arrive, and then breaks the link before its answer. */
async function breakAfterFirst(t: Test, boot = BOOT) {
  const peer = await startLinkPeer(t)
  const transport = createLinkTransport(identity(), { ...TIMES, firstPauseMs: 1 })
  t.teardown(() => transport.close())
  const send = (content: string, start = true, signal = timeLimit()) =>
    transport.send(peer.member, routed(content, { start, lane: 1 }), signal)
  const first = send('first')
  await waitFor(() => peer.texts.length === 1, 'it has come')
  const rest = ['second', 'third'].map(content => send(content, false))
  await waitFor(() => peer.texts.length === 3, 'they have come')
  peer.answer(peer.ids[0]!, 'delivered')
  t.equal(await first, 'delivered')
  peer.boot = boot
  peer.links[0]?.terminate()
  // It is made again soon.
  while (transport.pipelines(peer.member)) await new Promise(setImmediate)
  return { peer, transport, send, rest }
}

t.test(
  'after a break what has no answer is sent again to the same process, under its numbers, before all else',
  async t => {
    const { peer, send, rest, transport } = await breakAfterFirst(t)
    const next = send('next', false)
    await waitFor(() => peer.texts.length === 6, 'all have come')
    t.strictSame(peer.texts.slice(3), ['second', 'third', 'next'])
    t.strictSame(
      peer.frames.map(({ id, start, repeated }) => [id, start, repeated]),
      [
        [1, true, false],
        [2, false, false],
        [3, false, false],
        [2, false, true],
        [3, false, true],
        [4, false, false],
      ],
    )
    t.ok(transport.pipelines(peer.member))
    for (const [n, outcome] of (['delivered', 'offline', 'slow_consumer'] as const).entries())
      peer.answer(peer.ids[3 + n]!, outcome)
    t.strictSame(await Promise.all([...rest, next]), ['delivered', 'offline', 'slow_consumer'])
    t.equal(peer.links.length, 2)
  },
)

t.test('after a break another process gets only what nobody has, and what starts a lane', async t => {
  const { peer, send, rest } = await breakAfterFirst(t, Buffer.alloc(16, 2))
  const follows = send('follows', false)
  const starts = send('starts')
  t.strictSame(await Promise.all(rest), ['timeout', 'timeout'], 'nobody knows')
  t.equal(await follows, 'no_owner', 'what came before it may have been refused')
  await waitFor(() => peer.texts.length === 4, 'one has come')
  t.equal(peer.texts[3], 'starts')
  peer.answer(peer.ids[3]!, 'delivered')
  t.equal(await starts, 'delivered')
})

t.test('after a break with nobody there any more, nobody knows; what was not sent is told so', async t => {
  const peer = await startLinkPeer(t, {}, hello(60))
  const transport = createLinkTransport(identity(), TIMES)
  t.teardown(() => transport.close())
  const sent = transport.send(peer.member, routed('x'.repeat(40)), timeLimit())
  const waiting = transport.send(peer.member, routed('x'.repeat(40)), timeLimit())
  await waitFor(() => peer.texts.length === 1, 'one has come')
  const closed = new Promise(resolve => peer.server.close(resolve))
  peer.links[0]?.terminate()
  t.equal(await sent, 'timeout')
  t.equal(await waiting, 'no_owner')
  await closed
})

t.test('a message whose time is up during a break is not sent again', async t => {
  const peer = await startLinkPeer(t)
  const transport = createLinkTransport(identity(), TIMES)
  t.teardown(() => transport.close())
  const abort = new AbortController()
  const late = transport.send(peer.member, routed('late'), abort.signal)
  const other = transport.send(peer.member, routed('other'), timeLimit())
  await waitFor(() => peer.texts.length === 2, 'both have come')
  peer.links[0]?.terminate()
  while (transport.pipelines(peer.member)) await new Promise(setImmediate)
  abort.abort()
  t.equal(await late, 'timeout')
  await waitFor(() => peer.texts.length === 3, 'the other has come again')
  t.equal(peer.texts[2], 'other')
  peer.answer(peer.ids[2]!, 'delivered')
  t.equal(await other, 'delivered')
})

t.test(
  'a member that goes says what it has read: the rest can go elsewhere, and what it has read is answered',
  async t => {
    const { member, arrivals, close } = await startPeer(t, {
      outcome: ({ text }) =>
        text === 'slow' ? new Promise(resolve => setTimeout(resolve, 300, 'delivered')) : 'delivered',
    })
    const transport = createLinkTransport(identity(), TIMES)
    t.teardown(() => transport.close())
    const send = (content: string) => transport.send(member, routed(content), timeLimit())
    t.equal(await send('first'), 'delivered')
    const slow = send('slow')
    await waitFor(() => arrivals.length === 2, 'it has begun')
    const closing = close()
    const after = send('after')
    t.equal(await slow, 'delivered', 'what has begun is waited for')
    t.equal(await after, 'no_owner')
    t.equal(arrivals.length, 2)
    await closing
  },
)

t.test('what a member that goes has not read is told so, and what it has read and not answered stays open', async t => {
  const peer = await startLinkPeer(t)
  const transport = createLinkTransport(identity(), TIMES)
  t.teardown(() => transport.close())
  const sent = ['1', '2', '3'].map(content => transport.send(peer.member, routed(content), timeLimit()))
  await waitFor(() => peer.texts.length === 3, 'all have come')
  peer.links[0]?.send(Buffer.of(6, 0, 0, 0, 2))
  t.equal(await sent[2], 'no_owner')
  t.notOk(transport.pipelines(peer.member))
  peer.answer(peer.ids[0]!, 'delivered')
  t.equal(await sent[0], 'delivered')
  peer.links[0]?.close(1012)
  t.equal(await sent[1], 'timeout')
})

t.test('a member that breaks every link is dialled less and less often', async t => {
  const dials: number[] = []
  const server = createServer(socket => {
    dials.push(performance.now())
    socket.destroy()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const member = createMember('127.0.0.1', (server.address() as AddressInfo).port)
  const transport = createLinkTransport(identity(), { ...TIMES, firstPauseMs: 20, longestPauseMs: 80 })
  t.teardown(() => transport.close())
  for (let n = 0; n < 6; n++) {
    t.equal(await transport.send(member, routed('x'), timeLimit()), 'no_owner')
  }
  const pauses = dials.slice(1).map((at, n) => at - (dials[n] ?? 0))
  for (const [n, least] of [10, 20, 40, 40, 40].entries())
    t.ok((pauses[n] ?? 0) >= least - 1, `pause ${n}: ${pauses[n]}`)
})

t.test('a name that cannot be written in a URL is a member like any other', async t => {
  const transport = createLinkTransport(identity())
  t.teardown(() => transport.close())
  const outcome = await transport.send(createMember('xn--zz', 1), routed('x'), timeLimit(5000))
  t.match(String(outcome), /^(no_owner|timeout)$/)
})
