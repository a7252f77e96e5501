import t from 'tap'
import { type App, startApp } from '../../helpers/app.ts'
import { type Puppet, startMover } from '../../helpers/mover.ts'
import { type Scope, userOn } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

async function start(t: Scope, env: Record<string, string | number> = {}) {
  const apps = (await Promise.all([0, 1, 2].map(() => startApp(t)))) as [App, App, App]
  return { ...startMover(t, apps, env), apps }
}

t.test('what is being moved because its pod leaves is not moved for balance at the same time', async t => {
  const { mover, connect, ownerOf, apps, metric } = await start(t)
  const [ann, bob] = ['ann', 'bob'].map(name => connect(userOn(ownerOf, 0, name), 0)) as [Puppet, Puppet]
  ann.say('drain')
  await waitFor(() => ann.begun.length === 1, 'its pod leaves: it is being moved')
  mover.settle()
  await waitFor(() => bob.begun.length === 1, 'the other is moved for balance, for their pod leaves')
  t.equal(await metric('moves_waiting'), 2)
  t.equal(apps.flatMap(({ handshakes }) => handshakes).length, 2)
  ann.begun.shift()?.('moved')
  bob.begun.shift()?.('moved')
  await waitFor(async () => (await metric('moves_waiting')) === 0, 'both have moved')
  t.equal(await metric('rehomes_total', { reason: 'drain', result: 'moved' }), 1)
  t.equal(await metric('rehomes_total', { reason: 'rebalance', result: 'moved' }), 1)
})

t.test('an app that says goodbye to a client meant it, if its pod stays: also to one that was to be moved', async t => {
  // The first of them may begin at once, the second a second later.
  const { mover, connect, ownerOf, metric } = await start(t, { MAX_MOVES_PER_SECOND: 1 })
  const [ann, bob] = ['ann', 'bob'].map(name => connect(userOn(ownerOf, 0, name), 1)) as [Puppet, Puppet]
  mover.settle()
  await waitFor(() => ann.begun.length === 1, 'the first is being moved')
  t.equal(await metric('moves_waiting'), 2)
  t.ok(bob.lose(1001))
  t.equal(await metric('moves_waiting'), 1, 'it waits for news, and not to be moved')
  await waitFor(() => bob.givenUp, 'no news')
  t.equal(await metric('rehomes_total', { reason: 'restart', result: 'passed_on' }), 1)
})

t.test('no move for balance begins while it is not known whether the app meant this client', async t => {
  const { mover, connect, ownerOf, apps } = await start(t)
  const ann = connect(userOn(ownerOf, 0), 1)
  t.ok(ann.lose(1012))
  mover.settle()
  await waitFor(() => ann.givenUp, 'no news')
  t.strictSame(apps[0].handshakes, [])
})

t.test('an app that says goodbye to a client that is being moved: it has moved, and is counted once', async t => {
  const { mover, connect, ownerOf, metric } = await start(t)
  const [ann, bob] = [connect(userOn(ownerOf, 0), 1), connect(userOn(ownerOf, 0, 'other'), 0)]
  mover.settle()
  await waitFor(() => ann.begun.length === 1, 'it is being moved')
  t.ok(ann.lose(1001))
  ann.begun.shift()?.('moved')
  await waitFor(async () => (await metric('moves_waiting')) === 0, 'it has moved')
  t.equal(await metric('rehomes_total', { reason: 'rebalance', result: 'moved' }), 1)
  t.ok(bob.lose(1001))
  await waitFor(() => bob.givenUp, 'what was said to it is passed on, so late that the other would have been')
  t.notOk(ann.givenUp)
  t.equal(await metric('rehomes_total', { reason: 'restart', result: 'passed_on' }), 1)
})

t.test("an app's will to end a client does not outlive the upstream that it was said on", async t => {
  const { mover, connect, ownerOf, metric } = await start(t)
  const ann = connect(userOn(ownerOf, 0), 1)
  mover.settle()
  await waitFor(() => ann.begun.length === 1, 'it is being moved')
  ann.say('ended')
  ann.begun.shift()?.('moved')
  await waitFor(async () => (await metric('moves_waiting')) === 0, 'it has moved')
  t.ok(ann.lose(1006), 'it is moved again')
  await waitFor(() => ann.begun.length === 1, 'to the other pod')
  ann.begun.shift()?.('moved')
  await waitFor(async () => (await metric('rehomes_total', { reason: 'crash', result: 'moved' })) === 1, 'it has moved')
})

t.test('no place between two messages: no other pod is dialled, the same one again after a pause', async t => {
  const { connect, ownerOf, apps, metric } = await start(t)
  const ann = connect(userOn(ownerOf, 0), 0)
  const dialled = () => apps.map(({ handshakes }) => handshakes.length).sort()
  ann.say('drain')
  for (let n = 1; n <= 3; n++) {
    await waitFor(() => ann.begun.length === 1, `hand-over ${n}`)
    t.strictSame(dialled(), [0, 0, n])
    ann.begun.shift()?.(n < 3 ? 'busy' : 'moved')
  }
  await waitFor(async () => (await metric('rehomes_total', { reason: 'drain', result: 'moved' })) === 1, 'it has moved')
})

t.test('no place between two messages in a move for balance: it stays for now', async t => {
  const { mover, connect, ownerOf, apps, metric } = await start(t)
  const ann = connect(userOn(ownerOf, 0), 1)
  mover.settle()
  await waitFor(() => ann.begun.length === 1, 'it is being moved')
  ann.begun.shift()?.('busy')
  await waitFor(
    async () => (await metric('rehomes_total', { reason: 'rebalance', result: 'stayed' })) === 1,
    'it stays',
  )
  t.strictSame(
    apps.map(({ handshakes }) => handshakes.length),
    [1, 0, 0],
  )
})

t.test('whom the app does not take a second time is not offered again and again for balance', async t => {
  const { mover, connect, ownerOf, apps, metric } = await start(t)
  apps[0].server.shouldHandle = ({ headers }) => !String(headers['ws-user-id']).startsWith('once')
  const dialled = (name: string) =>
    apps.flatMap(({ handshakes }) => handshakes).filter(({ headers }) => String(headers['ws-user-id']).startsWith(name))
  connect(userOn(ownerOf, 0, 'once'), 1)
  const ann = connect(userOn(ownerOf, 0, 'ann'), 1)
  mover.settle()
  await waitFor(() => ann.begun.length === 1, 'the other is being moved')
  const refused = () => metric('rehomes_total', { reason: 'rebalance', result: 'refused' })
  await waitFor(async () => (await refused()) === 1, 'it is refused')
  ann.begun.shift()?.('busy')
  await waitFor(() => ann.begun.length === 1, 'who could not be moved is tried again')
  t.strictSame([await metric('moves_waiting'), dialled('once').length], [1, 1])
  mover.settle()
  await waitFor(async () => (await refused()) === 2, 'the members have changed: so is who was refused')
  t.equal(dialled('ann').length, 2)
  ann.begun.shift()?.('moved')
  await waitFor(async () => (await metric('moves_waiting')) === 0, 'it has moved')
})

t.test('who has lost its pod does not wait for those whose pod still serves them', async t => {
  const { connect, ownerOf } = await start(t)
  const served = Array.from({ length: 65 }, (_, n) => connect(userOn(ownerOf, 0, `served-${n}`), 0))
  for (const puppet of served) puppet.say('drain')
  const moving = () => served.filter(({ begun }) => begun.length > 0).length
  await waitFor(() => moving() === 64, 'as many are moved as may be at a time')
  const ann = connect(userOn(ownerOf, 0, 'ann'), 0)
  t.ok(ann.lose(1006))
  await waitFor(() => ann.begun.length === 1, 'it is moved')
  t.equal(moving(), 64)
  for (const { begun } of [ann, ...served]) begun.shift()?.('moved')
  await waitFor(() => served.at(-1)?.begun.length === 1, 'the last has its turn')
  served.at(-1)?.begun.shift()?.('moved')
})

t.test('an error on the way of one client: it is closed if it has no pod, and all others are moved', async t => {
  const { mover, connect, ownerOf, metric } = await start(t)
  const [ann, bob, eve] = ['ann', 'bob', 'eve'].map(name => connect(userOn(ownerOf, 0, name), 1)) as [
    Puppet,
    Puppet,
    Puppet,
  ]
  for (const { connection } of [ann, bob]) connection.whenRetired = () => Promise.reject(new Error('a bug'))
  t.ok(ann.lose(1006))
  mover.settle()
  await waitFor(() => eve.begun.length === 1, 'the third is being moved')
  eve.begun.shift()?.('moved')
  await waitFor(
    async () => (await metric('rehomes_total', { reason: 'rebalance', result: 'moved' })) === 1,
    'it has moved',
  )
  t.equal(await metric('rehomes_total', { reason: 'crash', result: 'failed' }), 1)
  t.equal(ann.connection.state, 'closing', 'has no pod')
  t.equal(bob.connection.state, 'open', 'has one')
  bob.connection.whenRetired = async () => true
  mover.settle()
  await waitFor(() => bob.begun.length === 1, 'it can be moved again')
  bob.begun.shift()?.('moved')
})
