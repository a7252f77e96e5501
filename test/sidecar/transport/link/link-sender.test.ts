import { once } from 'node:events'
import t, { type Test } from 'tap'
import { createMember, type Member } from '../../../../lib/routing/members.ts'
import { Allotment } from '../../../../lib/service/memory/allotment.ts'
import { MemoryBudget } from '../../../../lib/service/memory/budget.ts'
import { giveUp } from '../../../../sidecar/transport/link/link.ts'
import { encodeHello as encode } from '../../../../sidecar/transport/link/link-frames.ts'
import { type LinkEnd, LinkSender, type LinkSenderOptions } from '../../../../sidecar/transport/link/link-sender.ts'
import { serialNumbers } from '../../../../sidecar/transport/serial-numbers.ts'
import { startBlackHole } from '../../../helpers/black-hole.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { routed, timeLimit } from '../peer.ts'
import { BOOT, type LinkPeer, startLinkPeer } from './link-peer.ts'

const encodeHello = (windowBytes: number, maxMessageBytes: number, boot = BOOT) =>
  encode(windowBytes, maxMessageBytes, boot)

function start(t: Test, member: Member, options: Partial<LinkSenderOptions> = {}) {
  const ends: LinkEnd[] = []
  /** What is sent in another way. */
  const otherwise: string[] = []
  const link = new LinkSender({
    member,
    headers: {},
    delayMs: 0,
    handshakeMs: 5000,
    pingMs: 60_000,
    idleMs: 600_000,
    nextId: serialNumbers(),
    ...options,
    onEnd: (end, rest) => {
      ends.push(end)
      giveUp(rest, end, async ({ message }) => {
        otherwise.push(message.data.toString())
        return 'delivered'
      })
    },
  })
  t.teardown(() => link.close())
  return { ends, otherwise, link, send: (content: string, signal = timeLimit()) => link.send(routed(content), signal) }
}

t.test('messages of one round go out in one write; outcomes come in any order', async t => {
  const peer = await startLinkPeer(t)
  const { link, send } = start(t, peer.member)
  const first = send('first')
  await waitFor(() => peer.texts.length === 1, 'the link is open')
  const many = Array.from({ length: 100 }, (_, n) => send(String(n)))
  await waitFor(() => peer.texts.length === 101, 'all have come')
  t.equal(peer.batches.length, 2)
  t.strictSame(
    peer.texts.slice(1),
    many.map((_, n) => String(n)),
  )
  for (const id of [...peer.ids].reverse()) peer.answer(id, id % 2 === 1 ? 'delivered' : 'offline')
  t.equal(await first, 'delivered')
  t.strictSame(
    await Promise.all(many),
    many.map((_, n) => (n % 2 === 1 ? 'delivered' : 'offline')),
  )
  t.ok(link.open)
  t.ok(link.proved)
})

t.test('no more than the window is sent; what waits can be taken back, and goes on when there is room', async t => {
  const peer = await startLinkPeer(t, {}, encodeHello(1000, 5000))
  const { send } = start(t, peer.member)
  const abort = new AbortController()
  const content = 'x'.repeat(81)
  const size = 81 + 16 + 3
  const sent = Array.from({ length: 10 }, () => send(content))
  const given = send('taken back', abort.signal)
  const next = send('next')
  await waitFor(() => peer.texts.length === 10, 'the window is full')
  abort.abort()
  t.equal(await given, 'no_owner', 'it has arrived nowhere')
  for (const id of peer.ids) peer.answer(id, 'delivered')
  await Promise.all(sent)
  t.equal(peer.texts.length, 10, 'an outcome is no room')
  peer.allow(size)
  await waitFor(() => peer.texts.length === 11, 'there is room for one')
  t.equal(peer.texts[10], 'next')
  peer.answer(peer.ids[10]!, 'delivered')
  t.equal(await next, 'delivered')

  const large = send('y'.repeat(5000))
  const small = send('small')
  peer.allow(9 * size)
  await waitFor(() => peer.texts.includes('small') || peer.texts.length > 12, 'something comes', 200).catch(() => {})
  t.equal(peer.texts.length, 11, 'what is larger than the window waits until nothing else is unread')
  peer.allow(16 + 3 + 4)
  await waitFor(() => peer.texts.length === 12, 'the large one went alone')
  peer.allow(5000 + 16 + 3)
  await waitFor(() => peer.texts.length === 13, 'and then the others')
  for (const id of peer.ids.slice(11)) peer.answer(id, 'delivered')
  t.strictSame(await Promise.all([large, small]), ['delivered', 'delivered'])
})

t.test('the ends of connections wait for room in the window, as messages do', async t => {
  const window = 170
  const peer = await startLinkPeer(t, {}, encodeHello(window, 5000))
  const { link, send } = start(t, peer.member)
  const first = send('first')
  await waitFor(() => peer.texts.length === 1, 'the link is open')
  peer.answer(peer.ids[0]!, 'delivered')
  await first
  const connections = Array.from({ length: 50 }, (_, n) => n.toString(16).padStart(32, '0'))
  for (const connection of connections) link.end(connection)
  let allowed = 0
  const come = () => peer.batches.reduce((sum, { bytes }) => sum + bytes, 0)
  await waitFor(() => {
    t.ok(come() - allowed <= window, 'no more than the window is unread')
    const more = come() - allowed
    if (more > 0) peer.allow(more)
    allowed += more
    return peer.ended.length === connections.length
  }, 'all are told')
  t.strictSame(peer.ended, connections)
})

t.test(
  'when it breaks: sent and not answered, nobody knows; not sent, nobody has it; late answers mean nothing',
  async t => {
    const peer = await startLinkPeer(t, {}, encodeHello(108, 100))
    const { ends, link, send } = start(t, peer.member)
    const answered = send('x'.repeat(30))
    const late = send('x'.repeat(30), timeLimit(100))
    await waitFor(() => peer.texts.length === 2, 'both have come')
    const waiting = send('x'.repeat(30))
    peer.answer(peer.ids[0]!, 'delivered')
    t.equal(await answered, 'delivered')
    t.equal(await late, 'timeout')
    peer.answer(peer.ids[1]!, 'delivered')
    peer.answer(peer.ids[0]!, 'offline')
    peer.allow(49)
    await waitFor(() => peer.texts.length === 3, 'the next has come')
    const behind = send('x'.repeat(60))
    peer.links[0]?.terminate()
    t.equal(await waiting, 'timeout')
    t.equal(await behind, 'no_owner')
    t.strictSame(ends, ['broken'])
    t.notOk(link.open)
    t.equal(await send('after'), 'no_owner')
  },
)

t.test('answers that are no frames, or out of place, end the link and nothing else', async t => {
  const wrong: [string, Buffer | string][] = [
    ['text', 'hello'],
    ['garbage', Buffer.from('hello')],
    ['a second hello', encodeHello(1, 1)],
    ['more window than was used', Buffer.of(3, 0xff, 0xff, 0xff, 0xff)],
    ['an outcome that does not exist', Buffer.of(2, 99, 0, 0, 0, 0)],
    ['a message', Buffer.from('01000000000000000000000100000000', 'hex')],
    ['a message of nothing', Buffer.from('0100000000000000000000010000000062', 'hex')],
  ]
  for (const [name, answer] of wrong) {
    const peer = await startLinkPeer(t)
    const { ends, send } = start(t, peer.member)
    const waiting = send('x')
    await waitFor(() => peer.texts.length === 1, 'it has come')
    const [link] = peer.links
    link?.send(answer)
    if (name === 'a message') {
      t.strictSame(ends, [], 'it is not complete')
      link?.send(Buffer.from('b'))
    }
    const [code] = (await once(link!, 'close')) as [number]
    t.equal(code, 1002, name)
    t.strictSame(ends, ['broken'], name)
    t.equal(await waiting, 'timeout', name)
  }
})

t.test(
  'an acceptance without a hello is an app’s, which took the sub-protocol: no link, and nothing was sent',
  async t => {
    const closing = await startLinkPeer(t, {}, Buffer.alloc(0))
    closing.server.on('connection', socket => socket.close(1008, 'who are you'))
    const apps: [string, LinkPeer][] = [
      ['says nothing', await startLinkPeer(t, {}, Buffer.alloc(0))],
      ['greets by a text', await startLinkPeer(t, {}, 'welcome')],
      ['greets by bytes', await startLinkPeer(t, {}, Buffer.of(3, 0, 0, 0, 0))],
      ['closes', closing],
    ]
    for (const [name, app] of apps) {
      const { ends, otherwise, send } = start(t, app.member, { handshakeMs: name === 'says nothing' ? 200 : 5000 })
      t.equal(await send('x'), 'delivered', name)
      t.strictSame(otherwise, ['x'], name)
      t.strictSame(ends, ['no_link'], name)
      t.equal(app.texts.length, 0, name)
    }
  },
)

t.test(
  'before the hello nothing is sent; where the handshake or the connection ends, the other end is not there',
  async t => {
    const hole = await startBlackHole(t)
    const late = start(t, createMember('127.0.0.1', hole), { handshakeMs: 200 })
    t.equal(await late.send('x'), 'no_owner')
    t.strictSame(late.ends, ['unreachable'])

    const brief = await startLinkPeer(t, {}, Buffer.alloc(0))
    brief.server.on('connection', socket => socket.terminate())
    const short = start(t, brief.member)
    t.equal(await short.send('x'), 'no_owner')
    t.strictSame(short.ends, ['unreachable'], 'it may take links')
  },
)

t.test(
  'one that reads version 1 gets what there is in it; the rest is rejected here, and of ends it is not told',
  async t => {
    const id = '00112233445566778899aabbccddeeff'
    const origin = { id, handshake: undefined }
    for (const version of ['', '1', 'two', '2', '3']) {
      const peer = await startLinkPeer(t, {}, undefined, version)
      const { link, send } = start(t, peer.member)
      const sent = [
        send('app'),
        link.send(routed('sender', { deliver: 'sender', origin }), timeLimit()),
        link.send(routed('reply', { deliver: 'reply', user: id }), timeLimit()),
        link.send(routed('client', { deliver: 'client' }), timeLimit()),
      ]
      const knows = version === '2' || version === '3'
      const come = knows ? ['app', 'sender', 'reply', 'client'] : ['app', 'client']
      await waitFor(() => peer.texts.length === come.length, 'they have come')
      link.end(id)
      for (const number of peer.ids) peer.answer(number, 'delivered')
      const there = knows ? 'delivered' : 'rejected'
      t.strictSame(await Promise.all(sent), ['delivered', there, there, 'delivered'], `version ${version}`)
      const last = send('last')
      await waitFor(() => peer.texts.includes('last'), 'the link goes on')
      peer.answer(peer.ids.at(-1)!, 'delivered')
      t.equal(await last, 'delivered')
      t.strictSame(peer.texts, [...come, 'last'])
      t.strictSame(peer.ended, knows ? [id] : [])
    }
  },
)

t.test('who answers the handshake but not as a link takes none, and nothing was sent', async t => {
  const refusing = await startLinkPeer(t, { verifyClient: () => false })
  const other = await startLinkPeer(t, { handleProtocols: () => false })
  for (const { member } of [refusing, other]) {
    const { ends, otherwise, link, send } = start(t, member)
    const announced = link.send(Buffer.from('bob'), timeLimit())
    t.equal(await send('x'), 'delivered')
    t.equal(await announced, 'no_owner', 'an announcement does not go another way')
    t.strictSame(otherwise, ['x'])
    t.strictSame(ends, ['no_link'])
  }
})

t.test('a link on which pings are not answered is broken; one that answers stays', async t => {
  const dead = await startLinkPeer(t, { autoPong: false })
  const alive = await startLinkPeer(t)
  const one = start(t, dead.member, { pingMs: 20 })
  const two = start(t, alive.member, { pingMs: 20 })
  const waiting = two.send('y')
  t.equal(await one.send('x'), 'timeout')
  t.strictSame(one.ends, ['broken'])
  await waitFor(() => alive.texts.length === 1, 'it has come')
  t.strictSame(two.ends, [])
  alive.answer(alive.ids[0]!, 'delivered')
  t.equal(await waiting, 'delivered')
})

t.test('a link with nothing to carry is closed; one with something waits for it', async t => {
  const peer = await startLinkPeer(t)
  const { ends, send } = start(t, peer.member, { pingMs: 10, idleMs: 30 })
  const waiting = send('x')
  let pings = 0
  await waitFor(() => peer.links.length === 1, 'it is there')
  peer.links[0]?.on('ping', () => pings++)
  await waitFor(() => pings >= 10, 'that is long enough')
  t.strictSame(ends, [])
  const closed = once(peer.links[0]!, 'close')
  peer.answer(peer.ids[0]!, 'delivered')
  t.equal(await waiting, 'delivered')
  t.equal((await closed)[0], 1000)
  t.strictSame(ends, ['done'])
})

t.test('what is not written yet takes memory of all links; with none left, each link goes on alone', async t => {
  const { messages } = new MemoryBudget(1).accounts
  const memory = new Allotment(1, messages)
  const peer = await startLinkPeer(t)
  const { link, send } = start(t, peer.member, { memory })
  const answers = Array.from({ length: 20 }, (_, n) => send(`${n}`.padEnd(5000, 'x')))
  await waitFor(() => peer.texts.length === 20, 'all go out')
  t.equal(peer.batches.length, 20, 'one after the other')
  for (const id of peer.ids) peer.answer(id, 'delivered')
  await Promise.all(answers)
  t.equal(messages.bytes, 0)
  void send('x'.repeat(100_000))
  link.close()
  t.equal(messages.bytes, 0, 'nor when the link ends')
})
