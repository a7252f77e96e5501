import t from 'tap'
import { createMember } from '../../../lib/routing/members.ts'
import type { Finder } from '../../../sidecar/send/finder.ts'
import { Outbox } from '../../../sidecar/send/outbox.ts'
import type { Answer } from '../../../sidecar/transport/outcome.ts'
import { serialNumbers } from '../../../sidecar/transport/serial-numbers.ts'
import type { RoutedMessage } from '../../../sidecar/transport/transport.ts'

/** Bytes that a message of one byte counts with. */
const SMALL_BYTES = 1 + 256 + 768

function start(maxQueueBytes = 1_000_000) {
  const member = createMember('10.0.0.1', 3000)
  const asked: { user: string; lane: number; answer: (answer: Answer) => Promise<void> }[] = []
  const finder = {
    locate: () => member,
    nameOf: () => member.name,
    ask(_target: unknown, { user, lane }: RoutedMessage) {
      const { promise, resolve } = Promise.withResolvers<Answer>()
      const answer = async (given: Answer) => {
        resolve(given)
        await new Promise(setImmediate)
      }
      asked.push({ user, lane, answer })
      return promise
    },
  } as unknown as Finder
  const source = { charged: 0, calls: [] as string[] }
  const events: string[] = []
  const outbox = new Outbox(
    {
      hold: side => void source.calls.push(`hold ${side}`),
      release: side => void source.calls.push(`release ${side}`),
      charge: bytes => {
        source.charged += bytes
      },
      send: async () => 'sent',
    },
    'client',
    {
      finder,
      transport: { pipelines: () => false },
      timeoutMs: 60_000,
      recipientWaitMs: 1000,
      maxQueueBytes: () => maxQueueBytes,
      nextLane: serialNumbers(),
    },
    {
      onOutcome: ({ user }, outcome) => void events.push(`${user} ${outcome} ${source.charged}`),
      onEnd: () => void events.push(`end ${source.charged}`),
    },
  )
  const push = (user: string) =>
    outbox.push({
      user,
      deliver: 'app',
      message: { data: Buffer.from('x'), binary: false },
      origin: undefined,
      from: 'ann',
    })
  return { outbox, asked, source, events, push }
}

t.test('a message is charged until its outcome was reported', async t => {
  const { outbox, asked, source, events, push } = start()
  t.ok(outbox.isEmpty)
  push('bob')
  t.strictSame([source.charged, outbox.isEmpty], [SMALL_BYTES, false])
  await asked[0]?.answer('delivered')
  t.strictSame(events, [`bob delivered ${SMALL_BYTES}`, 'end 0'])
  t.ok(outbox.isEmpty)
})

t.test('the side is not read from above the limit until half of it', async t => {
  const { asked, source, push } = start(4 * SMALL_BYTES)
  for (let n = 0; n < 4; n++) push(`user-${n}`)
  t.strictSame(source.calls, [])
  push('user-4')
  push('user-5')
  t.strictSame(source.calls, ['hold client'])
  for (let n = 0; n < 3; n++) await asked[n]?.answer('delivered')
  t.strictSame(source.calls, ['hold client'])
  await asked[3]?.answer('delivered')
  t.strictSame(source.calls, ['hold client', 'release client'])
})

t.test('128 lanes are under way at a time; the next ones start in the order in which they came', async t => {
  const { asked, push } = start()
  for (let n = 0; n < 131; n++) push(`user-${n}`)
  t.equal(asked.length, 128)
  push('user-130')
  t.equal(asked.length, 128, 'a lane that waits is not started by another message')
  await asked[50]?.answer('delivered')
  await asked[51]?.answer('delivered')
  t.strictSame(
    asked.slice(128).map(({ user }) => user),
    ['user-128', 'user-129'],
  )
})

t.test(
  'a lane keeps its number after a timeout, as the message may still arrive; else each lane has a new one',
  async t => {
    const { asked, push } = start()
    push('bob')
    await asked[0]?.answer('timeout')
    push('bob')
    t.equal(asked[1]?.lane, asked[0]?.lane)
    await asked[1]?.answer('delivered')
    push('bob')
    t.equal(asked[2]?.lane, asked[0]?.lane, 'the number is not forgotten before 1,000 others')
    push('ann')
    await asked[3]?.answer('delivered')
    push('ann')
    t.not(asked[4]?.lane, asked[3]?.lane)
  },
)
