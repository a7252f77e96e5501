import t from 'tap'
import { type App, startApp } from '../helpers/app.ts'
import { type Puppet, startMover } from '../helpers/mover.ts'
import { type Scope, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

async function start(t: Scope, env: Record<string, string | number> = {}) {
  const apps = (await Promise.all([startApp(t), startApp(t)])) as [App, App]
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
  t.equal(apps[1].handshakes.length, 2)
  ann.begun.shift()?.('moved')
  bob.begun.shift()?.('moved')
  await waitFor(async () => (await metric('moves_waiting')) === 0, 'both have moved')
  t.equal(await metric('rehomes_total', { reason: 'drain', result: 'moved' }), 1)
  t.equal(await metric('rehomes_total', { reason: 'rebalance', result: 'moved' }), 1)
})
