import t from 'tap'
import { createMember } from '../../../../lib/routing/members.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'
import { Replies } from '../../../../sidecar/receive/shadows/replies.ts'
import type { Shadow } from '../../../../sidecar/receive/shadows/shadow.ts'
import type { Answer } from '../../../../sidecar/transport/outcome.ts'
import { waitFor } from '../../../helpers/wait.ts'

const [A, B] = [createMember('10.0.0.1', 3000), createMember('10.0.0.2', 3000)]
const reply = (text: string) => ({ data: Buffer.from(text), binary: false })

/** Replies of one shadow, whose client is asked for at these members. */
function start(answers: Readonly<Record<string, Answer>>, waitMs: number) {
  const asked: string[] = []
  const ends: string[] = []
  const metrics = new Metrics()
  const replies = new Replies({
    self: '10.0.0.9:3000',
    transport: {
      async send({ name }) {
        asked.push(name)
        return answers[name] ?? 'no_owner'
      },
    },
    member: name => [A, B].find(member => member.name === name),
    deliver: () => 'offline',
    nextLane: () => 1,
    timeoutMs: 60_000,
    waitMs,
    maxQueueBytes: () => 1 << 20,
    metrics,
  })
  const shadow = {
    origin: { id: '00'.repeat(16), handshake: undefined },
    home: A.name,
    hold() {},
    charge() {},
    release() {},
    close: (end: string) => void ends.push(end),
  } as unknown as Shadow
  const outcomes = async (outcome: string) => {
    const { values = [] } = (await metrics.registry.getSingleMetric('ws_operator_sender_replies_total')?.get()) ?? {}
    return values.find(({ labels }) => labels['outcome'] === outcome)?.value ?? 0
  }
  return { asked, ends, replies, shadow, outcomes }
}

t.test('two members that point to each other are asked with pauses', async t => {
  const { asked, replies, shadow, outcomes } = start(
    { [A.name]: { member: B.name }, [B.name]: { member: A.name } },
    200,
  )
  replies.push(shadow, reply('1'))
  await waitFor(async () => (await outcomes('offline')) === 1, 'it has its outcome')
  t.ok(asked.length < 40, `${asked.length} questions`)
})

t.test(
  'those behind a reply whose client cannot be reached have its outcome, and do not wait as long each',
  async t => {
    const { asked, ends, replies, shadow, outcomes } = start({}, 200)
    const count = 1000
    for (let n = 0; n < count; n++) replies.push(shadow, reply(String(n)))
    await waitFor(async () => (await outcomes('no_owner')) === count, 'all have their outcome')
    t.ok(asked.length < 40, `${asked.length} questions`)
    t.strictSame(ends, [], 'it may be heard of again')
    replies.push(shadow, reply('later'))
    await waitFor(async () => (await outcomes('no_owner')) === count + 1, 'a later one is tried anew')
  },
)

t.test('where the client has left, the shadow ends', async t => {
  const { asked, ends, replies, shadow, outcomes } = start({ [A.name]: 'offline' }, 60_000)
  for (let n = 0; n < 3; n++) replies.push(shadow, reply(String(n)))
  await waitFor(async () => (await outcomes('offline')) === 3, 'all have their outcome')
  t.strictSame(asked, [A.name])
  t.strictSame(ends, ['sender'])
})
