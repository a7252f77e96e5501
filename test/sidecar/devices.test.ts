import t, { type Test } from 'tap'
import { waitFor } from '../helpers/wait.ts'
import { type Pod, startPod, userRanked } from './pod.ts'

/**
 * Pods that were added one after the other, and a user whom each new one owns: a device that does not move stays where it was.
 *
 * @returns the pods, the oldest first, and the user
 */
async function grown(t: Test, count: number, config: object = {}): Promise<{ pods: Pod[]; user: string }> {
  const pods = await Promise.all(Array.from({ length: count }, () => startPod(t, { config })))
  const names = pods.map(({ name }) => name)
  for (const pod of pods) {
    pod.know(...names)
    pod.settle()
  }
  return { pods, user: userRanked(...names.toReversed()) }
}

const copied = (pod: Pod, result: string) => pod.metric('messages_copied_total', { result })

for (const TRANSPORT of ['link', 'http'] as const) {
  t.test(`${TRANSPORT}: one device at the owner, one elsewhere: what comes to either pod gets to both`, async t => {
    const { pods, user } = await grown(t, 2, { TRANSPORT })
    const [one, two] = pods as [Pod, Pod]
    const phone = one.connect(user)
    const laptop = two.connect(user)
    await waitFor(async () => (await two.metric('user_locations')) === 1, 'the owner is told of the phone')
    one.send(one.connect('ann'), user, 'from one')
    await waitFor(() => laptop.received.length === 1, 'the copy has come')
    t.strictSame(phone.received, ['from one'])
    t.strictSame(await one.outcomes(), { delivered: 1 })
    two.send(two.connect('carol'), user, 'from two')
    await waitFor(() => phone.received.length === 2, 'the copy has come')
    t.strictSame(laptop.received, ['from one', 'from two'])
  })
}

t.test('three devices on three pods, and senders on each: once on each device', async t => {
  const { pods, user } = await grown(t, 3)
  const devices = pods.map(pod => pod.connect(user))
  const [one, two] = pods as [Pod, Pod, Pod]
  // Of both: of one alone the owner would know as many users.
  for (const pod of [one, two])
    await waitFor(async () => (await pod.metric('announcements_total', { result: 'heard' })) > 0, 'the owner is told')
  const expected: string[] = []
  for (const [n, pod] of pods.entries()) {
    pod.send(pod.connect(`sender-${n}`), user, `from ${n}`)
    expected.push(`from ${n}`)
    await waitFor(() => devices.every(({ received }) => received.length === n + 1), `the copies of ${n} have come`)
  }
  const stranger = await startPod(t)
  stranger.know(...pods.map(({ name }) => name))
  stranger.send(stranger.connect('dora'), user, 'from outside')
  await waitFor(() => devices.every(({ received }) => received.length === 4), 'its copies have come')
  for (const { received } of devices) t.strictSame(received, [...expected, 'from outside'])
  for (const pod of pods) t.equal((await copied(pod, 'lost')) + (await copied(pod, 'dropped')), 0)
})

t.test('an owner who has nobody is no loss, and is not told of each message', async t => {
  const { pods, user } = await grown(t, 2)
  const [one, two] = pods as [Pod, Pod]
  const phone = one.connect(user)
  const ann = one.connect('ann')
  one.send(ann, user, '1')
  await waitFor(async () => (await copied(one, 'nobody')) === 1, 'the owner has been told')
  for (const text of ['2', '3']) one.send(ann, user, text)
  await waitFor(() => phone.received.length === 3, 'they have come')
  const laptop = two.connect(user)
  await waitFor(async () => (await one.metric('user_locations')) === 1, 'the owner says that it has somebody now')
  one.send(ann, user, '4')
  await waitFor(() => laptop.received.length === 1, 'the copy has come')
  t.strictSame(phone.received, ['1', '2', '3', '4'])
  t.strictSame(laptop.received, ['4'])
  await waitFor(async () => (await copied(one, 'delivered')) === 1, 'it is counted')
  t.equal(await copied(one, 'nobody'), 1)
  t.strictSame(await one.outcomes(), { delivered: 4 })
})

t.test('a client that is being moved to its owner gets each message once', async t => {
  const { pods, user } = await grown(t, 2)
  const [one, two] = pods as [Pod, Pod]
  const before = one.connect(user)
  const ann = one.connect('ann')
  const arriving = two.arrive(before)
  one.send(ann, user, '1')
  await waitFor(async () => (await copied(one, 'delivered')) === 1, 'the owner says at once that it has it')
  one.messaging.users.moved(user, before.bridge, two.name)
  two.messaging.users.taken(user, arriving.bridge)
  one.send(ann, user, '2')
  await waitFor(async () => (await one.outcomes())['delivered'] === 2, 'both have arrived')
  t.strictSame(before.received, ['1', '2'])
})

t.test('a move that is taken back leaves what is known of other devices', async t => {
  const { pods, user } = await grown(t, 3)
  const [one, two, three] = pods as [Pod, Pod, Pod]
  const phone = one.connect(user)
  await waitFor(async () => (await three.metric('user_locations')) === 1, 'the owner is told')
  const laptop = three.connect(user)
  three.messaging.users.moved(user, laptop.bridge, two.name)
  three.messaging.users.stayed(user, laptop.bridge, laptop.key)
  three.send(three.connect('carol'), user, 'hello')
  await waitFor(() => phone.received.length === 1, 'the copy has come')
  t.strictSame(laptop.received, ['hello'])
})
