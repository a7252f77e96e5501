import t from 'tap'
import { createMember } from '../../../lib/routing/members.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import type { Target } from '../../../sidecar/send/finder.ts'
import { Relay } from '../../../sidecar/send/relay.ts'
import { type Answer, REFUSED } from '../../../sidecar/transport/outcome.ts'
import { serialNumbers } from '../../../sidecar/transport/serial-numbers.ts'
import type { RoutedMessage } from '../../../sidecar/transport/transport.ts'
import { waitFor } from '../../helpers/wait.ts'

const B = createMember('10.0.0.2', 1)
const C = createMember('10.0.0.3', 1)

/** A relay whose copies end when the test says so. */
function start(maxBytes = 10_000, waitMs = 60_000) {
  const sent: { at: Target; routed: RoutedMessage; end: (answer?: Answer) => Promise<void> }[] = []
  const absent: string[] = []
  const world = { pipelines: false }
  const metrics = new Metrics()
  const relay = new Relay({
    finder: {
      member: name => (name === C.name ? C : B),
      askAlone: (target, routed) =>
        new Promise(resolve => {
          const end = (answer: Answer = 'delivered') => {
            resolve(answer)
            return new Promise<void>(done => void setImmediate(done))
          }
          sent.push({ at: target, routed, end })
        }),
    },
    transport: { pipelines: () => world.pipelines },
    origin: () => undefined,
    locationCache: { absent: (user, member) => void absent.push(`${user} ${member}`) },
    nextLane: serialNumbers(),
    timeoutMs: 60_000,
    waitMs,
    maxBytes,
    metrics,
  })
  const count = async (result: string) =>
    (await metrics.registry.getSingleMetric('ws_operator_messages_copied_total')?.get())?.values.find(
      ({ labels }) => labels['result'] === result,
    )?.value
  const copy = (user: string, text: string, to = B) =>
    relay.copy(to.name, {
      user,
      deliver: 'app',
      deliveredTo: ['k'],
      message: { data: Buffer.from(text), binary: false },
    })
  return { copy, sent, world, absent, count, texts: () => sent.map(({ routed }) => routed.message.data.toString()) }
}

t.test('one user’s copies go one after the other, and go no further; others do not wait', async t => {
  const { copy, sent, texts, count } = start()
  copy('bob', '1')
  copy('bob', '2')
  copy('ann', 'x')
  t.strictSame(texts(), ['1', 'x'])
  await sent[0]?.end()
  t.strictSame(texts(), ['1', 'x', '2'])
  t.match(sent[2]?.routed, { deliveredTo: ['k'], start: true, user: 'bob', lane: sent[0]?.routed.lane as number })
  t.not(sent[1]?.routed.lane, sent[0]?.routed.lane)
  await sent[1]?.end()
  await sent[2]?.end()
  t.equal(await count('delivered'), 3)
})

t.test('a copy that a member refuses which does not know this one yet is sent again, in its order', async t => {
  const { copy, sent, texts, count, absent } = start()
  copy('bob', '1')
  copy('bob', '2')
  await sent[0]?.end(REFUSED)
  await waitFor(() => sent.length === 2, 'it is sent again')
  await sent[1]?.end()
  t.strictSame(texts(), ['1', '1', '2'])
  await sent[2]?.end()
  t.equal(await count('delivered'), 2)
  t.strictSame(absent, [])
  const late = start(10_000, 0)
  late.copy('bob', '1')
  await late.sent[0]?.end(REFUSED)
  t.equal(await late.count('lost'), 1, 'not for ever')
})

t.test('a member that takes long does not hold up another one', async t => {
  const { copy, sent } = start()
  copy('bob', '1')
  copy('bob', '1', C)
  t.strictSame(
    sent.map(({ at }) => at),
    [B, C],
  )
  t.not(sent[0]?.routed.lane, sent[1]?.routed.lane)
  for (const { end } of sent) await end()
})

t.test('a member that has not got the user is no longer believed to', async t => {
  const { copy, sent, absent, count } = start()
  for (const [n, answer] of (
    ['offline', 'no_owner', { member: 'c:1' }, 'timeout', 'slow_consumer'] as const
  ).entries()) {
    copy('bob', String(n))
    await sent[n]?.end(answer)
  }
  t.strictSame(absent, Array(3).fill(`bob ${B.name}`))
  t.equal(await count('lost'), 4)
  t.equal(await count('nobody'), 1, 'which is no loss')
})

t.test('where the transport keeps the order, copies follow each other at once', async t => {
  const { copy, sent, texts, world } = start()
  copy('bob', '1')
  copy('bob', '2')
  t.strictSame(texts(), ['1'])
  world.pipelines = true
  copy('bob', '3')
  t.strictSame(texts(), ['1', '2', '3'])
  world.pipelines = false
  copy('bob', '4')
  await sent[0]?.end()
  await sent[2]?.end()
  t.strictSame(texts(), ['1', '2', '3'], 'after all that are under way')
  await sent[1]?.end()
  t.strictSame(texts(), ['1', '2', '3', '4'])
  await sent[3]?.end()
})

t.test('a copy keeps nothing of what the message came in', async t => {
  const { copy, sent } = start()
  copy('bob', '1')
  t.equal(sent[0]?.routed.message.data.buffer.byteLength, 1)
  await sent[0]?.end()
})

t.test('what is more than may wait is dropped, and counted', async t => {
  const { copy, sent, texts, count } = start(1000)
  for (const text of ['1', '2', '3', '4', '5']) copy('bob', text)
  t.equal(await count('dropped'), 2)
  for (let n = 0; n < 3; n++) await sent[n]?.end()
  t.strictSame(texts(), ['1', '2', '3'])
  copy('bob', '6')
  await sent[3]?.end()
  t.strictSame(texts(), ['1', '2', '3', '6'], 'there is room again')
})
