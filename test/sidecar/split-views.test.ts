import t from 'tap'
import { waitFor } from '../helpers/wait.ts'
import { freePort, type Pod, startPod, userOf, userRanked } from './pod.ts'

/** Waits for the outcomes, which must then be these. */
async function ends(pod: Pod, expected: Record<string, number>): Promise<boolean> {
  const total = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0)
  await waitFor(async () => total(await pod.outcomes()) >= total(expected), JSON.stringify(expected))
  return JSON.stringify(await pod.outcomes()) === JSON.stringify(expected)
}

// Members that are known may be asked, and with a token those that have shown it.
for (const [TRANSPORT, TOKEN] of [
  ['link', ''],
  ['http', ''],
  ['link', 's3cret'],
  ['http', 's3cret'],
] as const) {
  const config = { TRANSPORT, TOKEN }
  const how = TOKEN ? `${TRANSPORT} with a token` : TRANSPORT

  t.test(`${how}: a user on a new pod that the sender has never heard of`, async t => {
    const [a, b, n] = await Promise.all([startPod(t, { config }), startPod(t, { config }), startPod(t, { config })])
    for (const pod of [a, b]) {
      pod.know(a.name, b.name)
      pod.settle()
    }
    n.know(a.name, b.name, n.name)
    const bob = n.connect(userOf(n.name, a.name, b.name, n.name))
    const told = TOKEN ? 'user_locations' : 'user_locations_claimed'
    await waitFor(async () => (await b.metric(told)) === 1, 'the others are told')
    a.send(a.connect('ann'), bob.user, 'hello')
    const retries = () => a.metric('messages_followed_total', { reason: 'retry' })
    if (!TOKEN) {
      await waitFor(async () => (await retries()) > 2, 'it is looked for until the lists are known')
      for (const pod of [a, b]) pod.know(a.name, b.name, n.name)
    }
    t.ok(await ends(a, { delivered: 1 }))
    t.strictSame(bob.received, ['hello'])
    if (TOKEN) t.equal(await retries(), 0, 'without waiting')
  })

  t.test(`${how}: pods that have just started, and know nobody yet`, async t => {
    const own = { ...config, RECIPIENT_WAIT_MS: 500 }
    const [a, b] = await Promise.all([startPod(t, { config: own }), startPod(t, { config: own })])
    const bob = b.connect(userOf(b.name, a.name, b.name))
    const ann = a.connect('ann')
    a.send(ann, bob.user, '1')
    a.know(a.name)
    a.send(ann, bob.user, '2')
    // Longer than one waits for a recipient where pods have been known for long.
    await new Promise(resolve => setTimeout(resolve, 1000))
    t.strictSame(await a.outcomes(), {})
    for (const pod of [a, b]) pod.know(a.name, b.name)
    t.ok(await ends(a, { delivered: 2 }))
    t.strictSame(bob.received, ['1', '2'])
  })

  t.test(`${how}: a member that is not ready, and in no list, and still has its users`, async t => {
    // Over HTTP nothing tells one that comes again from one that has its address now.
    if (TRANSPORT === 'http' && !TOKEN) return t.pass('needs a link or a token')
    const [a, b] = await Promise.all([startPod(t, { config }), startPod(t, { config })])
    for (const pod of [a, b]) pod.know(a.name, b.name)
    const bob = b.connect(userOf(a.name, a.name, b.name))
    await waitFor(async () => (await a.metric('user_locations')) === 1, 'the owner is told')
    a.know(a.name)
    a.settle()
    a.send(a.connect('ann'), bob.user, 'hello')
    t.ok(await ends(a, { delivered: 1 }))
    t.strictSame(bob.received, ['hello'])
  })

  t.test(`${how}: a sender who knows of a new pod before the pod that has the user does`, async t => {
    const [a, b, n] = await Promise.all([startPod(t, { config }), startPod(t, { config }), startPod(t, { config })])
    for (const pod of [a, b]) pod.know(a.name, b.name)
    n.know(a.name, b.name, n.name)
    const user = userRanked(n.name, b.name, a.name)
    const bob = b.connect(user)
    for (const pod of [a, b, n]) pod.settle()
    a.know(a.name, b.name, n.name)
    a.send(a.connect('ann'), user, 'hello')
    t.ok(await ends(a, { delivered: 1 }))
    t.strictSame(bob.received, ['hello'])
  })

  t.test(`${how}: an owner who is dead, and is still in every list: the next in rank has the user`, async t => {
    const [a, b] = await Promise.all([startPod(t, { config }), startPod(t, { config })])
    const dead = `127.0.0.1:${await freePort()}`
    for (const pod of [a, b]) {
      pod.know(a.name, b.name, dead)
      pod.settle()
    }
    const bob = b.connect(userRanked(dead, b.name, a.name))
    const ann = a.connect('ann')
    for (const text of ['1', '2', '3']) a.send(ann, bob.user, text)
    t.ok(await ends(a, { delivered: 3 }))
    t.strictSame(bob.received, ['1', '2', '3'])
    a.send(ann, bob.user, '4')
    t.ok(await ends(a, { delivered: 4 }))
    const asked = await a.metric('messages_followed_total', { reason: 'rank' })
    t.ok(asked >= 1 && asked <= 2, `the others went straight there: ${asked}`)
  })

  t.test(`${how}: a pod that was taken out of the list, and has handed its users over`, async t => {
    const [a, b, c] = await Promise.all([startPod(t, { config }), startPod(t, { config }), startPod(t, { config })])
    const names = [a.name, b.name, c.name]
    for (const pod of [a, b, c]) {
      pod.know(...names)
      pod.settle()
    }
    const user = userRanked(c.name, b.name, a.name)
    const before = c.connect(user)
    for (const pod of [b, c]) pod.know(a.name, b.name)
    const bob = c.move(before, b)
    a.send(a.connect('ann'), user, 'hello')
    t.ok(await ends(a, { delivered: 1 }), 'the sender still asks the old one')
    t.strictSame(bob.received, ['hello'])
    await c.kill()
    const other = b.connect(userRanked(c.name, b.name, a.name))
    a.send(a.connect('ann'), other.user, 'again')
    t.ok(await ends(a, { delivered: 2 }), 'and when it is gone, the next')
  })

  t.test(`${how}: a client that has lost its connection and comes back elsewhere is waited for`, async t => {
    const [a, b, c] = await Promise.all([startPod(t, { config }), startPod(t, { config }), startPod(t, { config })])
    const names = [a.name, b.name, c.name]
    for (const pod of [a, b, c]) {
      pod.know(...names)
      pod.settle()
    }
    const user = userRanked(b.name, c.name, a.name)
    b.connect(user).leave()
    const ann = a.connect('ann')
    for (const text of ['1', '2', '3']) a.send(ann, user, text)
    await waitFor(
      async () => (await a.metric('messages_followed_total', { reason: 'retry' })) > 0,
      'it is looked for again and again',
    )
    t.strictSame(await a.outcomes(), {})
    const bob = c.connect(user)
    t.ok(await ends(a, { delivered: 3 }))
    t.strictSame(bob.received, ['1', '2', '3'])
  })

  t.test(`${how}: who is nowhere is offline at once in calm times, and after a while in others`, async t => {
    const own = { ...config, RECIPIENT_WAIT_MS: 300 }
    const [a, b] = await Promise.all([startPod(t, { config: own }), startPod(t, { config: own })])
    for (const pod of [a, b]) {
      pod.know(a.name, b.name)
      pod.settle()
    }
    const ghost = userOf(b.name, a.name, b.name)
    const ann = a.connect('ann')
    let began = performance.now()
    a.send(ann, ghost, '1')
    t.ok(await ends(a, { offline: 1 }))
    t.ok(performance.now() - began < 300, 'at once')
    a.know(a.name, b.name, `127.0.0.1:${await freePort()}`)
    a.know(a.name, b.name)
    began = performance.now()
    for (const text of ['2', '3', '4']) a.send(ann, ghost, text)
    t.ok(await ends(a, { offline: 4 }))
    const took = performance.now() - began
    t.ok(took >= 290 && took < 2000, `all of them after ${took} ms, not one after the other`)
  })

  t.test(`${how}: an owner who believes what is no longer true does not have all others asked`, async t => {
    const own = { ...config, RECIPIENT_WAIT_MS: 300 }
    const [a, b, c] = await Promise.all([0, 1, 2].map(() => startPod(t, { config: own })))
    if (!a || !b || !c) throw new Error('three pods')
    for (const pod of [a, b, c]) {
      pod.know(a.name, b.name, c.name)
      pod.settle()
    }
    const user = userOf(b.name, a.name, b.name, c.name)
    b.messaging.inbox.announced(c.name, [user])
    a.send(a.connect('ann'), user, 'hello')
    t.ok(await ends(a, { offline: 1 }))
    t.ok((await a.metric('messages_followed_total', { reason: 'moved' })) > 0, 'the owner is believed')
    t.equal(await a.metric('messages_followed_total', { reason: 'rank' }), 0)
  })

  t.test(`${how}: one connection here, one moved: a message gets to both`, async t => {
    const [a, b, c] = await Promise.all([startPod(t, { config }), startPod(t, { config }), startPod(t, { config })])
    const names = [a.name, b.name, c.name]
    for (const pod of [a, b, c]) {
      pod.know(...names)
      pod.settle()
    }
    const user = userRanked(b.name, c.name, a.name)
    const phone = b.connect(user)
    const laptop = b.connect(user)
    const moved = b.move(phone, c)
    await waitFor(async () => (await b.metric('user_locations')) === 1, 'the one that was moved is settled there')
    // Users whom their own pods own, so that nobody is told of them.
    const ann = a.connect(userRanked(a.name, b.name, c.name))
    for (const text of ['1', '2', '3']) a.send(ann, user, text)
    t.ok(await ends(a, { delivered: 3 }))
    await waitFor(() => moved.received.length === 3, 'the copies have come')
    t.strictSame(laptop.received, ['1', '2', '3'])
    t.strictSame(moved.received, ['1', '2', '3'])
    await waitFor(
      async () => (await b.metric('messages_copied_total', { result: 'delivered' })) === 3,
      'they are counted',
    )
    // The other pod learns of the laptop, and copies go both ways.
    await waitFor(async () => (await c.metric('user_locations')) === 1, 'it is told', 20_000)
    const cid = c.connect(userRanked(c.name, a.name, b.name))
    c.send(cid, user, '4')
    await waitFor(() => laptop.received.length === 4, 'the copy has come')
    t.strictSame(moved.received, ['1', '2', '3', '4'], 'once each')
    laptop.leave()
    c.send(cid, user, '5')
    await waitFor(async () => (await c.metric('user_locations')) === 0, 'it is no longer believed')
    t.strictSame(moved.received, ['1', '2', '3', '4', '5'])
  })
}
