import t, { type Test } from 'tap'
import { waitFor } from '../helpers/wait.ts'
import { type Cable, type FakeClient, type Pod, startCable, startPod, userRanked } from './pod.ts'

async function startPods(t: Test, count: number, config: object = {}): Promise<Pod[]> {
  const pods = await Promise.all(Array.from({ length: count }, () => startPod(t, { config })))
  for (const pod of pods) {
    pod.know(...pods.map(({ name }) => name))
    pod.settle()
  }
  return pods
}

const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0)

const numbers = (count: number, first = 0) => Array.from({ length: count }, (_, n) => String(first + n))

/** Sends messages in rounds of the event loop, with something done in between. */
async function flood(
  pod: Pod,
  from: FakeClient,
  recipient: string,
  count: number,
  between: (sent: number) => unknown,
): Promise<void> {
  for (let sent = 0; sent < count; sent++) {
    pod.send(from, recipient, String(sent))
    if (sent % 10 !== 0) continue
    await between(sent)
    await new Promise(setImmediate)
  }
}

for (const TRANSPORT of ['link', 'http'] as const) {
  t.test(`${TRANSPORT}: a user who is moved about during a flood gets each message once and in order`, async t => {
    const [a, b, c, d] = (await startPods(t, 4, { TRANSPORT })) as [Pod, Pod, Pod, Pod]
    const user = userRanked(b.name, c.name, d.name, a.name)
    let at = b
    let bob = b.connect(user)
    const way = [c, d, b, a, c, b]
    const count = 3000
    await flood(a, a.connect('ann'), user, count, sent => {
      if (sent % 500 !== 250) return
      const to = way.shift() as Pod
      bob = at.move(bob, to)
      at = to
    })
    await waitFor(async () => total(await a.outcomes()) === count, 'all have an outcome')
    t.strictSame(await a.outcomes(), { delivered: count })
    t.strictSame(bob.received, numbers(count))
    t.equal(way.length, 0)
  })
}

t.test('several senders on several pods, while the user is moved: each keeps its order', async t => {
  const pods = (await startPods(t, 4)) as [Pod, Pod, Pod, Pod]
  const [, b, c, d] = pods
  const user = userRanked(b.name, c.name, d.name, pods[0].name)
  let at: Pod = b
  let bob = b.connect(user)
  const way = [c, d, pods[0], b]
  const senders = pods.map((pod, n) => ({ pod, n, client: pod.connect(`sender-${n}`) }))
  const count = 1000
  for (let sent = 0; sent < count; sent++) {
    for (const { pod, n, client } of senders) pod.send(client, user, `${n} ${sent}`)
    if (sent % 200 === 100 && way.length > 0) {
      const to = way.shift() as Pod
      bob = at.move(bob, to)
      at = to
    }
    if (sent % 10 === 0) await new Promise(setImmediate)
  }
  for (const { pod, n } of senders) {
    await waitFor(async () => total(await pod.outcomes()) === count, 'all have an outcome')
    t.strictSame(await pod.outcomes(), { delivered: count })
    t.strictSame(
      bob.received.filter(text => text.startsWith(`${n} `)),
      numbers(count).map(text => `${n} ${text}`),
    )
  }
})

/** Two pods, the second of which is reached over a cable. */
async function wired(t: Test): Promise<{ a: Pod; b: Pod; cable: Cable; user: string; again: () => Promise<Pod> }> {
  const cable = await startCable(t, 0)
  const a = await startPod(t)
  const restart = async () => {
    const pod = await startPod(t, { name: cable.name })
    cable.target = pod.port
    pod.know(a.name, cable.name)
    pod.settle()
    return pod
  }
  const b = await restart()
  a.know(a.name, cable.name)
  a.settle()
  return { a, b, cable, user: userRanked(cable.name, a.name), again: restart }
}

t.test('a link that is cut during a flood, again and again: all arrive once and in order', async t => {
  const { a, b, cable, user } = await wired(t)
  const bob = b.connect(user)
  const count = 5000
  await flood(a, a.connect('ann'), user, count, async sent => {
    // What the other end says is lost for a while, so that much is sent again that has arrived.
    if (sent % 1000 === 300) cable.mute()
    if (sent % 1000 !== 500) return
    await new Promise(resolve => setTimeout(resolve, 20))
    cable.cut()
  })
  await waitFor(async () => total(await a.outcomes()) === count, 'all have an outcome')
  t.strictSame(await a.outcomes(), { delivered: count })
  t.strictSame(bob.received, numbers(count))
  t.ok((await b.metric('duplicates_total')) > 0, 'some came again')
})

t.test('a link that is cut because the process was replaced: nothing comes twice, nothing out of order', async t => {
  const { a, b, cable, user, again } = await wired(t)
  const first = b.connect(user)
  const ann = a.connect('ann')
  let second: FakeClient | undefined
  const count = 2000
  await flood(a, ann, user, count, async sent => {
    if (sent === 900) cable.mute()
    if (sent !== 1000) return
    await waitFor(() => first.received.length > 900, 'some have arrived without an answer')
    const pod = await again()
    second = pod.connect(user)
    cable.cut()
    await b.kill()
  })
  await waitFor(async () => total(await a.outcomes()) === count, 'all have an outcome')
  const outcomes = await a.outcomes()
  t.ok((outcomes['timeout'] ?? 0) > 0, 'of some nobody knows')
  t.equal((outcomes['delivered'] ?? 0) + (outcomes['timeout'] ?? 0), count)
  const received = [...first.received, ...(second?.received ?? [])].map(Number)
  t.ok(received.length >= (outcomes['delivered'] ?? 0))
  t.strictSame(
    received,
    [...new Set(received)].sort((x, y) => x - y),
    'once and in order',
  )
})

t.test('a pod that dies with a user who comes back elsewhere: only what was in flight is in doubt', async t => {
  const [a, b, c] = (await startPods(t, 3)) as [Pod, Pod, Pod]
  const user = userRanked(b.name, c.name, a.name)
  const first = b.connect(user)
  let second: FakeClient | undefined
  const count = 2000
  await flood(a, a.connect('ann'), user, count, async sent => {
    if (sent === 1000) await b.kill()
    if (sent === 1500) second = c.connect(user)
  })
  await waitFor(async () => total(await a.outcomes()) === count, 'all have an outcome')
  const outcomes = await a.outcomes()
  const doubtful = outcomes['timeout'] ?? 0
  t.equal((outcomes['delivered'] ?? 0) + doubtful, count)
  t.ok(doubtful < 200, `${doubtful} in doubt`)
  const received = [...first.received, ...(second?.received ?? [])].map(Number)
  t.strictSame(
    received,
    [...new Set(received)].sort((x, y) => x - y),
    'once and in order',
  )
})
