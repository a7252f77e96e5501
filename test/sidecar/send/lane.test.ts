import t from 'tap'
import { createMember } from '../../../lib/routing/members.ts'
import type { Finder, Target } from '../../../sidecar/send/finder.ts'
import { Lane } from '../../../sidecar/send/lane.ts'
import type { Step } from '../../../sidecar/send/search.ts'
import { A_MOMENT_AGO, type Answer, type Outcome, UNINTRODUCED } from '../../../sidecar/transport/outcome.ts'
import type { RoutedMessage } from '../../../sidecar/transport/transport.ts'

const [A, B] = [createMember('10.0.0.1', 3000), createMember('10.0.0.2', 3000)]

/** A lane whose finder a test decides on. */
function start({ maxQueueBytes = 1_000_000 } = {}) {
  const world = { target: A as Target, pipelines: true, step: { ask: 'c:1', reason: undefined } as Step }
  const asked: { text: string; start: boolean; answer: (answer: Answer) => Promise<void> }[] = []
  const sought: { text: string; end: (outcome: Outcome) => Promise<void> }[] = []
  const searched: string[] = []
  const outcomes: string[] = []
  const events = { empty: 0 }
  const settled = () => new Promise<void>(setImmediate)
  const textOf = ({ message }: RoutedMessage) => message.data.toString()
  const finder = {
    locate: () => world.target,
    nameOf: (target: Target) => (target === 'here' ? 'here' : (target?.name ?? '')),
    ask(_target: Target, routed: RoutedMessage) {
      const { promise, resolve } = Promise.withResolvers<Answer>()
      const answer = (given: Answer) => {
        resolve(given)
        return settled()
      }
      asked.push({ text: textOf(routed), start: routed.start, answer })
      return promise
    },
    search(user: string) {
      searched.push(user)
      return { next: () => world.step }
    },
    seek(_search: unknown, routed: RoutedMessage) {
      const { promise, resolve } = Promise.withResolvers<Outcome>()
      const end = (outcome: Outcome) => {
        resolve(outcome)
        return settled()
      }
      sought.push({ text: textOf(routed), end })
      return promise
    },
  } as unknown as Finder
  const lane = new Lane(
    'bob',
    7,
    {
      finder,
      transport: { pipelines: () => world.pipelines },
      timeoutMs: 60_000,
      recipientWaitMs: 1000,
      maxQueueBytes: () => maxQueueBytes,
    },
    {
      onOutcome: (pending, outcome) => void outcomes.push(`${textOf(pending)} ${outcome}`),
      onEmpty: () => {
        events.empty++
      },
    },
  )
  const send = (...texts: string[]) => {
    for (const text of texts) {
      lane.push({
        user: 'bob',
        deliver: 'app',
        message: { data: Buffer.from(text), binary: false },
        origin: undefined,
        from: '',
      })
      lane.advance()
    }
  }
  const texts = () => asked.map(({ text, start: isStart }) => (isStart ? `${text}*` : text))
  return { lane, world, asked, sought, searched, outcomes, events, send, texts }
}

t.test('messages to one member are pipelined, the first one as a start', async t => {
  const { lane, asked, outcomes, events, send, texts } = start()
  send('1', '2', '3')
  t.strictSame(texts(), ['1*', '2', '3'])
  await asked[1]?.answer('delivered')
  await asked[0]?.answer('timeout')
  t.equal(events.empty, 0)
  await asked[2]?.answer('slow_consumer')
  t.strictSame(outcomes, ['2 delivered', '1 timeout', '3 slow_consumer'])
  t.strictSame([events.empty, lane.unconfirmed, lane.number], [1, true, 7])
})

t.test('one at a time: without pipelining, and while the target is another than before', async t => {
  const { world, asked, send, texts } = start()
  world.pipelines = false
  send('1', '2')
  t.strictSame(texts(), ['1*'])
  await asked[0]?.answer('delivered')
  t.strictSame(texts(), ['1*', '2*'])
  world.pipelines = true
  world.target = B
  send('3')
  t.strictSame(texts(), ['1*', '2*'])
  await asked[1]?.answer('delivered')
  t.strictSame(texts(), ['1*', '2*', '3*'])
})

t.test('no more than its share of the queue is in flight', async t => {
  const { asked, send, texts } = start({ maxQueueBytes: 8 * 600 })
  send('1', '2', '3')
  t.strictSame(texts(), ['1*', '2'], 'each counts with 256 bytes beyond its own')
  await asked[0]?.answer('delivered')
  t.strictSame(texts(), ['1*', '2', '3'])
})

t.test('after an undelivered message, it goes on with that one when all are back', async t => {
  const { world, asked, sought, searched, outcomes, send, texts } = start()
  send('1', '2', '3')
  await asked[1]?.answer(A_MOMENT_AGO)
  send('4')
  await asked[2]?.answer(A_MOMENT_AGO)
  t.strictSame(sought, [])
  await asked[0]?.answer({ member: B.name })
  t.strictSame(
    sought.map(({ text }) => text),
    ['1'],
  )
  t.equal(searched.length, 4, 'each miss tells something, and the search begins with the first')
  world.target = B
  await sought[0]?.end('delivered')
  t.strictSame(texts().slice(3), ['2*', '3', '4'])
  t.strictSame(outcomes, ['1 delivered'])
})

t.test('a search with nothing left to ask ends at once, unless an earlier message is to go first', async t => {
  const { world, asked, sought, outcomes, send } = start()
  send('1', '2')
  await asked[0]?.answer('offline')
  world.step = { outcome: 'offline' }
  await asked[1]?.answer('offline')
  t.strictSame(outcomes, [])
  await sought[0]?.end('offline')
  await asked[2]?.answer('offline')
  t.strictSame(outcomes, ['1 offline', '2 offline'])
})

t.test('an unknown sender is introduced up to three times', async t => {
  const { asked, searched, outcomes, events, send, texts } = start()
  send('1')
  for (let n = 0; n < 3; n++) await asked[n]?.answer(UNINTRODUCED)
  t.strictSame(texts(), ['1*', '1*', '1*', '1*'])
  t.strictSame(outcomes, [])
  await asked[3]?.answer(UNINTRODUCED)
  t.strictSame(outcomes, ['1 rejected'])
  t.strictSame([searched.length, events.empty], [0, 1])
})
