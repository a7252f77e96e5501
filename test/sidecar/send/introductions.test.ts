import t from 'tap'
import { createMember, type Member } from '../../../lib/routing/members.ts'
import { Introductions } from '../../../sidecar/send/introductions.ts'
import { type Answer, UNINTRODUCED } from '../../../sidecar/transport/outcome.ts'
import type { Origin, RoutedMessage, Transport } from '../../../sidecar/transport/transport.ts'

const [A, B] = [1, 2].map(n => createMember('10.0.0.1', n)) as [Member, Member]
const never = new AbortController().signal

/** A transport that notes what it is told; a test says what the members answer. */
function setUp(answer: (member: string) => Answer | Promise<Answer> = () => 'delivered') {
  const calls: string[] = []
  const sent: RoutedMessage[] = []
  const transport: Transport = {
    async send({ name }, routed) {
      sent.push(routed)
      calls.push(`${name} ${routed.origin?.handshake ? 'with' : 'without'}`)
      return answer(name)
    },
    announce: async ({ name }, users) => {
      calls.push(`${name} announce ${users.join()}`)
      return true
    },
    end: ({ name }, connection) => void calls.push(`${name} end ${connection}`),
    pipelines: ({ name }) => name === A.name,
    close: () => void calls.push('close'),
  }
  const introductions = new Introductions(transport)
  const origin: Origin = { id: 'c1', handshake: Buffer.from('GET / HTTP/1.1') }
  const routed: RoutedMessage = {
    user: 'bob',
    deliver: 'sender',
    message: { data: Buffer.from('x'), binary: false },
    lane: 3,
    start: true,
    deliveredTo: undefined,
    origin,
  }
  return {
    calls,
    sent,
    introductions,
    origin,
    send: (to: Member, more = {}) => introductions.send(to, { ...routed, ...more }, never),
  }
}

t.test('the handshake goes to each member once', async t => {
  const { calls, send } = setUp()
  for (const member of [A, A, B, A, B]) t.equal(await send(member), 'delivered')
  t.strictSame(calls, [
    '10.0.0.1:1 with',
    '10.0.0.1:1 without',
    '10.0.0.1:2 with',
    '10.0.0.1:1 without',
    '10.0.0.1:2 without',
  ])
})

t.test('a second message does not wait for the answer to the first', async t => {
  const { calls, send } = setUp(() => new Promise(() => {}))
  void send(A)
  void send(A)
  t.strictSame(calls, ['10.0.0.1:1 with', '10.0.0.1:1 without'])
})

t.test('a member that has forgotten the connection says so, and gets the handshake with the next', async t => {
  let knows = false
  const { calls, send } = setUp(() => (knows ? 'delivered' : UNINTRODUCED))
  knows = true
  await send(A)
  knows = false
  t.equal(await send(A), UNINTRODUCED)
  await send(A)
  t.strictSame(calls, ['10.0.0.1:1 with', '10.0.0.1:1 without', '10.0.0.1:1 with'])
})

t.test('without its handshake a message has the same fields, and none of the sender\u2019s own', async t => {
  const { sent, send } = setUp()
  await send(A)
  await send(A, { bytes: 7, until: 9 })
  t.strictSame(sent[1], {
    user: 'bob',
    deliver: 'sender',
    message: { data: Buffer.from('x'), binary: false },
    lane: 3,
    start: true,
    deliveredTo: undefined,
    origin: { id: 'c1', handshake: undefined },
  })
})

t.test('a message without a handshake passes as it is', async t => {
  const { sent, send } = setUp()
  for (const origin of [undefined, { id: 'c2', handshake: undefined }]) {
    await send(A, { origin })
    t.equal(sent.pop()?.origin, origin)
  }
})

t.test('the end of a connection is told to the members that know it, once', async t => {
  const { calls, introductions, origin, send } = setUp()
  introductions.endAll(origin)
  await send(A)
  await send(B)
  calls.length = 0
  introductions.endAll(origin)
  introductions.endAll(origin)
  t.strictSame(calls, ['10.0.0.1:1 end c1', '10.0.0.1:2 end c1'])
})

t.test('all else is the transport\u2019s', async t => {
  const { calls, introductions } = setUp()
  t.ok(await introductions.announce(A, ['ann'], never))
  introductions.end(B, 'c9')
  t.strictSame([introductions.pipelines(A), introductions.pipelines(B)], [true, false])
  introductions.close()
  t.strictSame(calls, ['10.0.0.1:1 announce ann', '10.0.0.1:2 end c9', 'close'])
})
