import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Test } from 'tap'
import { createMember, type Member } from '../../../lib/routing/members.ts'
import { takeUsers } from '../../../sidecar/transport/announcement.ts'
import type { Answer, Outcome } from '../../../sidecar/transport/outcome.ts'
import type { Transport, TransportIdentity } from '../../../sidecar/transport/transport.ts'
import { startBlackHole } from '../../helpers/black-hole.ts'
import { waitFor } from '../../helpers/wait.ts'
import { identity, inOrder, routed, startPeer, text, timeLimit } from './peer.ts'

/** Of connections that have a copied message already. */
const KEYS = ['AAAAAAAAAAAAAAAAAAAAAA==', 'BBBBBBBBBBBBBBBBBBBBBB==']

/** What every transport between sidecars has to do. */
export function conformance(
  t: Test,
  create: (identity: TransportIdentity) => Transport,
  silence: 'timeout' | 'no_owner',
): void {
  const start = (t: Test, token = '') => {
    const transport = create(identity(token))
    t.teardown(() => transport.close())
    return transport
  }
  const forever = () => new Promise<Answer>(() => {})
  const send = (transport: Transport, member: Member, user = 'bob', content = 'x') =>
    transport.send(member, routed(content, { user }), timeLimit())

  t.test('what arrives is what was sent: recipient, text or binary, way, bytes', async t => {
    const { member, arrivals } = await startPeer(t)
    const transport = start(t)
    const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
    const long = 'z'.repeat(1_000_000)
    t.equal(await transport.send(member, routed('hello'), timeLimit()), 'delivered')
    t.equal(await transport.send(member, routed('', { user: 'Zoë ✓', deliver: 'client' }), timeLimit()), 'delivered')
    t.equal(
      await transport.send(
        member,
        routed('', { user: 'x'.repeat(512), message: { data: every, binary: true } }),
        timeLimit(),
      ),
      'delivered',
    )
    t.equal(
      await transport.send(member, routed(long, { deliver: 'client', deliveredTo: KEYS }), timeLimit()),
      'delivered',
    )
    t.strictSame(arrivals, [
      { user: 'bob', deliver: 'app', text: 'hello', binary: false, deliveredTo: undefined },
      { user: 'Zoë ✓', deliver: 'client', text: '', binary: false, deliveredTo: undefined },
      { user: 'x'.repeat(512), deliver: 'app', text: every.toString('latin1'), binary: true, deliveredTo: undefined },
      { user: 'bob', deliver: 'client', text: long, binary: false, deliveredTo: KEYS },
    ])
  })

  t.test('the outcome is what the other end says', async t => {
    const { member } = await startPeer(t, { outcome: ({ text }) => text as Outcome })
    const transport = start(t)
    for (const outcome of ['delivered', 'offline', 'slow_consumer'] as const) {
      t.equal(await send(transport, member, 'bob', outcome), outcome)
    }
  })

  t.test('too_large: more than the other end takes, to the byte; the next message arrives', async t => {
    const { member, arrivals } = await startPeer(t, { maxMessageBytes: 10 })
    const transport = start(t)
    t.equal(await send(transport, member, 'bob', 'x'.repeat(11)), 'too_large')
    t.equal(await send(transport, member, 'bob', 'x'.repeat(10)), 'delivered')
    t.equal(arrivals.length, 1)
  })

  t.test('rejected: what can be nobody’s name, and text that is not UTF-8; the next message arrives', async t => {
    const { member, arrivals } = await startPeer(t)
    const transport = start(t)
    for (const user of ['', 'a\nb', 'a\r\nx-forged: 1', ' b', '\ud800', 'x'.repeat(513)]) {
      t.equal(await send(transport, member, user), 'rejected', JSON.stringify(user))
    }
    const data = Buffer.from([0xff])
    t.equal(await transport.send(member, routed('', { message: { data, binary: false } }), timeLimit()), 'rejected')
    t.equal(await transport.send(member, routed('', { message: { data, binary: true } }), timeLimit()), 'delivered')
    t.equal(arrivals.length, 1)
  })

  t.test('a token: rejected without it and with another, delivered with it', async t => {
    const { member, arrivals } = await startPeer(t, { token: 's3cret' })
    t.equal(await send(start(t), member), 'rejected')
    t.equal(await send(start(t, 's3cre'), member), 'rejected')
    t.equal(arrivals.length, 0)
    t.equal(await send(start(t, 's3cret'), member), 'delivered')
  })

  t.test('no_owner: with a token that no header can carry, which ends nothing else', async t => {
    const { member } = await startPeer(t)
    const transport = start(t, 's\u2013cret')
    t.equal(await send(transport, member), 'no_owner')
    t.equal(await transport.announce(member, ['ann'], timeLimit()), false)
  })

  t.test('no_owner: nobody listens there', async t => {
    const peer = await startPeer(t)
    await peer.close()
    const transport = start(t)
    t.equal(await send(transport, peer.member), 'no_owner')
    t.equal(await send(transport, peer.member), 'no_owner', 'and again')
  })

  t.test('no_owner: at a host that has vanished, where nothing could be sent', async t => {
    const member = createMember('127.0.0.1', await startBlackHole(t))
    t.equal(await start(t).send(member, routed('x'), timeLimit(50)), 'no_owner')
  })

  t.test(
    'at a member that never says a word: no_owner where nothing was sent to it, timeout where something was',
    async t => {
      const sockets = new Set<Socket>()
      const silent = createServer(socket => sockets.add(socket.on('error', () => {}))).listen(0, '127.0.0.1')
      await once(silent, 'listening')
      t.teardown(() => {
        for (const socket of sockets) socket.destroy()
        silent.close()
      })
      const member = createMember('127.0.0.1', (silent.address() as AddressInfo).port)
      t.equal(await start(t).send(member, routed('x'), timeLimit(50)), silence)
    },
  )

  t.test('timeout: at a recipient who never takes it; the message after it arrives', async t => {
    const { member, arrivals } = await startPeer(t, {
      outcome: ({ text }) => (text === 'stuck' ? forever() : 'delivered'),
    })
    const transport = start(t)
    t.equal(await send(transport, member), 'delivered')
    t.equal(await transport.send(member, routed('stuck'), timeLimit(50)), 'timeout')
    t.equal(await send(transport, member), 'delivered')
    t.equal(arrivals.length, 3)
  })

  t.test('timeout: given up before it began', async t => {
    const { member, arrivals } = await startPeer(t)
    const transport = start(t)
    t.equal(await transport.send(member, routed('late'), AbortSignal.abort()), 'timeout')
    t.equal(await send(transport, member), 'delivered')
    t.strictSame(
      arrivals.map(({ text }) => text),
      ['x'],
    )
  })

  t.test('order is kept for each recipient', async t => {
    const { member, arrivals } = await startPeer(t, {
      outcome: ({ text }) => new Promise(resolve => setTimeout(resolve, text.length % 3, 'delivered')),
    })
    const transport = start(t)
    const users = ['ann', 'bob', 'cid']
    const texts = Array.from({ length: 100 }, (_, n) => `${n} ${'.'.repeat((n * 7919) % 3000)}`)
    const outcomes = await Promise.all(users.map(user => inOrder(transport, member, user, texts.map(text))))
    t.strictSame(new Set(outcomes.flat()), new Set(['delivered']))
    for (const user of users) {
      t.strictSame(
        arrivals.filter(incoming => incoming.user === user).map(({ text }) => text),
        texts,
        user,
      )
    }
  })

  t.test('recipients who take nothing hold up nobody else', async t => {
    const { member, arrivals } = await startPeer(t, {
      outcome: ({ user }) => (user.startsWith('slow') ? forever() : 'delivered'),
    })
    const transport = start(t)
    const stop = new AbortController()
    const stuck = Array.from({ length: 40 }, (_, n) =>
      transport.send(member, routed('x'.repeat(20_000), { user: `slow-${n}` }), stop.signal),
    )
    for (let n = 0; n < 20; n++) t.equal(await send(transport, member, `quick-${n}`), 'delivered')
    await waitFor(() => arrivals.length === 60, 'all have arrived')
    stop.abort()
    t.strictSame(new Set(await Promise.all(stuck)), new Set(['timeout']))
  })

  t.test('of many at the same time each arrives once and has one outcome', async t => {
    const { member, arrivals } = await startPeer(t, { windowBytes: 65_536 })
    const transport = start(t)
    const outcomes = await Promise.all(
      Array.from({ length: 2000 }, (_, n) => send(transport, member, `user-${n % 200}`, `${n} ${'x'.repeat(n % 700)}`)),
    )
    t.equal(outcomes.filter(outcome => outcome === 'delivered').length, 2000)
    t.equal(arrivals.length, 2000)
    t.equal(new Set(arrivals.map(({ text }) => text)).size, 2000)
  })

  t.test('moved: where the recipient is, as far as the other end knows', async t => {
    const { member } = await startPeer(t, {
      outcome: ({ text }) => ({ member: text === '' ? undefined : text }),
    })
    const transport = start(t)
    const longest = `${'x'.repeat(253)}:65535`
    for (const name of ['10.0.0.1:3000', '[2001:db8::1]:3000', longest])
      t.match(await send(transport, member, 'bob', name), { member: name })
    t.match(await send(transport, member, 'bob', ''), { member: undefined })
  })

  t.test('announcements: as many as there are, whose ever they are', async t => {
    const { member, announced, arrivals } = await startPeer(t)
    const transport = start(t)
    t.equal(await transport.announce(member, ['ann', 'Zoë ✓', 'a b'], timeLimit()), true)
    t.strictSame(announced.splice(0), ['ann 127.0.0.9:9', 'Zoë ✓ 127.0.0.9:9', 'a b 127.0.0.9:9'])
    const users = new Set(Array.from({ length: 10_000 }, (_, n) => `user-${n}`))
    while (users.size > 0) t.equal(await transport.announce(member, takeUsers(users), timeLimit()), true)
    t.equal(announced.length, 10_000)
    t.equal(announced[9999], 'user-9999 127.0.0.9:9')
    t.equal(arrivals.length, 0)
  })

  t.test('announcements: to nobody, without the token, and of what can be nobody’s name', async t => {
    const peer = await startPeer(t, { token: 's3cret' })
    t.equal(await start(t).announce(peer.member, ['ann'], timeLimit()), false)
    t.equal(await start(t, 's3cret').announce(peer.member, ['ann', ''], timeLimit()), false)
    t.strictSame(peer.announced, [])
    await peer.close()
    t.equal(await start(t, 's3cret').announce(peer.member, ['ann'], timeLimit()), false)
    const late = start(t)
    late.close()
    t.equal(await late.announce(peer.member, ['ann'], timeLimit()), false)
  })

  t.test('order: a message without an answer holds up those after it no longer than its time', async t => {
    let release = (_: Answer) => {}
    const { member, arrivals } = await startPeer(t, {
      outcome: ({ text }) =>
        text === 'stuck'
          ? new Promise<Answer>(resolve => {
              release = resolve
            })
          : 'delivered',
    })
    const transport = start(t)
    const lane = 77
    t.equal(
      await transport.send(member, routed('first', { lane }), timeLimit()),
      'delivered',
      'so that the way is open',
    )
    t.equal(await transport.send(member, routed('stuck', { lane }), timeLimit(50)), 'timeout')
    t.equal(await transport.send(member, routed('next', { lane }), timeLimit()), 'delivered')
    release('delivered')
    t.equal(await transport.send(member, routed('last', { lane }), timeLimit()), 'delivered')
    t.strictSame(
      arrivals.map(({ text }) => text),
      ['first', 'stuck', 'next', 'last'],
    )
  })

  t.test('numbers: they rise on every way, and no two messages share one', async t => {
    const ids: number[] = []
    const { member } = await startPeer(t, { onId: id => ids.push(id) })
    const transport = start(t)
    await inOrder(
      transport,
      member,
      'bob',
      Array.from({ length: 50 }, (_, n) => text(String(n))),
    )
    t.strictSame(
      ids,
      [...new Set(ids)].sort((a, b) => a - b),
    )
    t.equal(ids.length, 50)
  })

  t.test('close: what waits has its outcome at once, and nothing is sent any more', async t => {
    const { member, arrivals } = await startPeer(t, { outcome: forever })
    const transport = start(t)
    const waiting = send(transport, member)
    await waitFor(() => arrivals.length === 1, 'it has arrived')
    transport.close()
    t.equal(await waiting, 'timeout')
    t.equal(await send(transport, member), 'no_owner')
    t.equal(arrivals.length, 1)
  })

  t.test('a peer that restarts: no message is lost in silence or comes twice, and the way is found again', async t => {
    const peer = await startPeer(t, { outcome: ({ text }) => (text === 'stuck' ? forever() : 'delivered') })
    const { member } = peer
    const transport = start(t)
    t.equal(await send(transport, member, 'bob', 'before'), 'delivered')
    const stuck = send(transport, member, 'bob', 'stuck')
    await waitFor(() => peer.arrivals.length === 2, 'it has arrived')
    await peer.close()
    t.equal(await stuck, 'timeout', 'nobody knows')
    t.equal(await send(transport, member, 'bob', 'meanwhile'), 'no_owner')
    const again = await startPeer(t, { port: member.port })
    const outcomes: Answer[] = []
    await waitFor(async () => {
      outcomes.push(await send(transport, member, 'bob', `after ${outcomes.length}`))
      return outcomes.at(-1) === 'delivered'
    }, 'it is found again')
    t.equal(await send(transport, member, 'bob', 'last'), 'delivered')
    t.strictSame(
      again.arrivals.map(({ text }) => text),
      [`after ${outcomes.length - 1}`, 'last'],
    )
  })
}
