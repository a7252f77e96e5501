import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { createMember } from '../../../../lib/routing/members.ts'
import type { Outcome } from '../../../../lib/wire/outcome.ts'
import { createLinkTransport } from '../../../../lib/wire/transport/link.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { conformance } from './conformance.ts'
import { startLinkPeer } from './link-peer.ts'
import { inOrder, patience, startPeer, text } from './peer.ts'

const TIMES = {
  handshakeMs: 2000,
  pingMs: 5000,
  idleMs: 300_000,
  firstPauseMs: 50,
  longestPauseMs: 2000,
  httpMs: 60_000,
}

conformance(t, createLinkTransport)

t.test('all messages to a member go on one connection, and once it is open they follow each other', async t => {
  const { member, arrivals, requests, connections } = await startPeer(t, {
    outcome: () => new Promise(resolve => setTimeout(resolve, 5, 'delivered')),
  })
  const transport = createLinkTransport('')
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
  const transport = createLinkTransport('', { ...TIMES, httpMs: 300 })
  t.teardown(() => transport.close())
  const send = (content: string) => transport.send(old.member, 'bob', 'app', text(content), patience())
  const begin = performance.now()
  t.strictSame(await inOrder(transport, old.member, 'bob', ['1', '2', '3'].map(text)), Array(3).fill('delivered'))
  if (performance.now() - begin < 300)
    t.strictSame(old.requests, ['GET /message', 'POST /message', 'POST /message', 'POST /message'])
  t.notOk(transport.pipelines(old.member))
  await old.close()
  const updated = await startPeer(t, { port: old.member.port })
  await waitFor(async () => (await send('again')) === 'delivered' && transport.pipelines(old.member), 'a link is made')
  t.ok(updated.requests.includes('UPGRADE /message'))
})

t.test('a member whose app takes the handshake, because its sidecar knows no links: HTTP', async t => {
  const app = await startLinkPeer(t, { handleProtocols: () => false })
  const transport = createLinkTransport('')
  t.teardown(() => transport.close())
  // Its HTTP side answers everything with 426, as a WebSocket server does.
  t.equal(await transport.send(app.member, 'bob', 'app', text('x'), patience()), 'rejected')
  await waitFor(() => app.server.clients.size === 0, 'nothing stays open there')
})

t.test('while HTTP is under way to a member, nothing may overtake it on a link', async t => {
  let release = (_: Outcome) => {}
  const held = new Promise<Outcome>(resolve => {
    release = resolve
  })
  let refuse = true
  const { member, arrivals } = await startPeer(t, {
    refusesLinks: () => refuse,
    outcome: ({ text }) => (text === 'held' ? held : 'delivered'),
  })
  const transport = createLinkTransport('', { ...TIMES, httpMs: 1 })
  t.teardown(() => transport.close())
  const send = (content: string) => transport.send(member, 'bob', 'app', text(content), patience())
  const waiting = send('held')
  await waitFor(() => arrivals.length === 1, 'it has arrived')
  refuse = false
  t.equal(await send('on the link'), 'delivered')
  t.notOk(transport.pipelines(member))
  release('delivered')
  t.equal(await waiting, 'delivered')
  t.ok(transport.pipelines(member))
})

t.test('after a break nothing is sent again, and the next message makes a new link', async t => {
  const peer = await startLinkPeer(t)
  const transport = createLinkTransport('', { ...TIMES, firstPauseMs: 1 })
  t.teardown(() => transport.close())
  const send = (content: string) => transport.send(peer.member, 'bob', 'app', text(content), patience())
  const lost = send('lost')
  await waitFor(() => peer.texts.length === 1, 'it has come')
  peer.links[0]?.terminate()
  t.equal(await lost, 'timeout')
  t.notOk(transport.pipelines(peer.member))
  const next = send('next')
  await waitFor(() => peer.texts.length === 2, 'the next has come')
  peer.answer(peer.ids[1]!, 'delivered')
  t.equal(await next, 'delivered')
  t.strictSame(peer.texts, ['lost', 'next'])
  t.equal(peer.links.length, 2)
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
  const transport = createLinkTransport('', { ...TIMES, firstPauseMs: 20, longestPauseMs: 80 })
  t.teardown(() => transport.close())
  for (let n = 0; n < 6; n++) {
    t.equal(await transport.send(member, 'bob', 'app', text('x'), patience()), 'no_owner')
  }
  const pauses = dials.slice(1).map((at, n) => at - (dials[n] ?? 0))
  for (const [n, least] of [10, 20, 40, 40, 40].entries())
    t.ok((pauses[n] ?? 0) >= least - 1, `pause ${n}: ${pauses[n]}`)
})

t.test('a name that cannot be written in a URL is a member like any other', async t => {
  const transport = createLinkTransport('')
  t.teardown(() => transport.close())
  const outcome = await transport.send(createMember('xn--zz', 1), 'bob', 'app', text('x'), patience(5000))
  t.match(outcome, /^(no_owner|timeout)$/)
})
