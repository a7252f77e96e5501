import t, { type Test } from 'tap'
import { waitFor } from '../helpers/wait.ts'
import { type Pod, startPod, userRanked } from './pod.ts'

/** Two pods that know each other for long, and a user whom the first one owns. */
async function startTwo(t: Test, config: object = {}): Promise<{ a: Pod; b: Pod; user: string }> {
  const [a, b] = (await Promise.all([startPod(t, { config }), startPod(t, { config })])) as [Pod, Pod]
  for (const pod of [a, b]) {
    pod.know(a.name, b.name)
    pod.settle()
  }
  return { a, b, user: userRanked(a.name, b.name) }
}

const total = async (pod: Pod) => Object.values(await pod.outcomes()).reduce((sum, count) => sum + count, 0)
const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n))

t.test('what comes for a client that is arriving waits until it has arrived, and keeps its order', async t => {
  const { a, b, user } = await startTwo(t)
  const bob = b.connect(user)
  const ann = a.connect('ann')
  const arriving = a.arrive(bob)
  for (const text of numbers(5)) a.send(ann, user, text)
  await new Promise(setImmediate)
  t.strictSame(bob.received, [], 'nobody knows yet where it is served')
  b.messaging.users.moved(user, bob.bridge, a.name)
  a.messaging.users.taken(user, arriving.bridge)
  a.send(ann, user, '5')
  await waitFor(async () => (await total(a)) === 6, 'all have an outcome')
  t.strictSame(bob.received, numbers(6))
  t.strictSame(await a.outcomes(), { delivered: 6 })
})

t.test('when it stays where it was, the message goes there', async t => {
  const { a, b, user } = await startTwo(t)
  const bob = b.connect(user)
  await waitFor(async () => (await a.metric('user_locations')) === 1, 'the owner has heard where the user is')
  const arriving = a.arrive(bob)
  a.send(a.connect('ann'), user, 'hello')
  await new Promise(setImmediate)
  arriving.leave()
  await waitFor(async () => (await total(a)) === 1, 'it has an outcome')
  t.strictSame(bob.received, ['hello'])
  t.strictSame(await a.outcomes(), { delivered: 1 })
})

t.test('a move that is taken back: the user is found where they are', async t => {
  const { a, b, user } = await startTwo(t)
  const bob = a.connect(user)
  const arriving = b.arrive(bob)
  a.messaging.users.moved(user, bob.bridge, b.name)
  arriving.leave()
  a.messaging.users.stayed(user, bob.bridge, bob.key)
  b.send(b.connect('ann'), user, 'from there')
  a.send(a.connect('carl'), user, 'from here')
  await waitFor(async () => (await total(a)) + (await total(b)) === 2, 'both have an outcome')
  t.strictSame([...bob.received].sort(), ['from here', 'from there'])
})

t.test('a client that is moved within a pod has two connections there and gets each message once', async t => {
  const { a, user } = await startTwo(t)
  const bob = a.connect(user)
  const ann = a.connect('ann')
  const again = a.arrive(bob)
  a.send(ann, user, 'before')
  await waitFor(() => bob.received.length === 1, 'it is there')
  a.messaging.users.taken(user, again.bridge)
  a.send(ann, user, 'between')
  await waitFor(() => bob.received.length === 2, 'it is there')
  a.messaging.users.moved(user, bob.bridge, a.name)
  a.send(ann, user, 'after')
  await waitFor(async () => (await total(a)) === 3, 'all have an outcome')
  t.strictSame(bob.received, ['before', 'between', 'after'])
})

t.test('a move that takes long, and is taken back: the message is kept until then', async t => {
  // Longer than a message waits at the new pod, only where it is known that the user must be somewhere.
  const { a, b, user } = await startTwo(t, { RECIPIENT_WAIT_MS: 1000 })
  const c = await startPod(t, { config: { RECIPIENT_WAIT_MS: 1000 } })
  c.know(a.name, b.name)
  c.settle()
  const bob = b.connect(user)
  await waitFor(async () => (await a.metric('user_locations')) === 1, 'the owner has heard where the user is')
  a.arrive(bob)
  b.messaging.users.moved(user, bob.bridge, a.name)
  c.send(c.connect('ann'), user, 'hello')
  await waitFor(
    async () => (await c.metric('messages_followed_total', { reason: 'retry' })) > 0,
    'they are asked again',
  )
  b.messaging.users.stayed(user, bob.bridge, bob.key)
  await waitFor(async () => (await total(c)) === 1, 'it has an outcome')
  t.strictSame(await c.outcomes(), { delivered: 1 })
  t.strictSame(bob.received, ['hello'])
})

t.test('not more waits than may; the rest stays with its senders, and comes too', async t => {
  const { a, b, user } = await startTwo(t, { MAX_QUEUE_BYTES: 8000 })
  const bob = a.connect(user)
  const arriving = a.arrive(bob)
  bob.leave()
  // The last of them fits into no room.
  const texts = ['x'.repeat(400), 'y'.repeat(400), 'z'.repeat(400), 'large'.repeat(4000)]
  for (const text of texts) b.send(b.connect(text.slice(0, 9)), user, text)
  const last = b.connect('ann')
  for (const text of ['x'.repeat(20_000), 'after it']) b.send(last, user, text)
  await waitFor(
    async () => (await b.metric('messages_followed_total', { reason: 'retry' })) >= 4,
    'who had no room asks again',
  )
  t.equal(await total(b), 0)
  a.messaging.users.taken(user, arriving.bridge)
  await waitFor(async () => (await total(b)) === 6, 'all have an outcome')
  t.strictSame(await b.outcomes(), { delivered: 6 })
  const brief = (text: string) => `${text.slice(0, 5)} ${text.length}`
  const received = arriving.received.map(brief)
  t.strictSame([...received].sort(), [...texts, 'x'.repeat(20_000), 'after it'].map(brief).sort())
  t.ok(received.indexOf('xxxxx 20000') < received.indexOf('after 8'), 'in their order')
})
