import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { type Scope, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

/** The only pod of an app, with so many clients that are there. */
async function start(t: Scope, count: number, env: Record<string, string | number>) {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app], { balancer: env })
  const users = Array.from({ length: count }, (_, n) => `user-${n}`)
  const clients = await Promise.all(users.map(user => connect(t, balancer.port, { user })))
  return { app, balancer, clients }
}

// More than are tried at a time, several times over.
t.test('nobody takes many clients: each is told to connect again when its time is up', async t => {
  const { app, balancer, clients } = await start(t, 400, { REHOME_TIMEOUT_MS: 1000 })
  const ends = Promise.all(clients.map(({ closed }) => closed))
  await app.stop()
  t.ok((await ends).every(({ code }) => code === 1012))
  t.equal(await balancer.metric('rehomes_total', { reason: 'crash', result: 'timeout' }), 400)
  // They were all lost at once.
  const told = balancer.logs.filter(({ msg }) => msg === 'a client has to connect again')
  t.equal(told.length, 400)
  const times = told.map(({ time }) => Date.parse(String(time)))
  const took = Math.max(...times) - Math.min(...times)
  t.ok(took < 2500, `${took} ms between the first and the last`)
  t.equal(await balancer.metric('moves_waiting'), 0)
})

t.test('with REHOME=close too, nobody waits for longer than that to be told', async t => {
  const { app, clients } = await start(t, 20, { REHOME: 'close', REHOME_TIMEOUT_MS: 500, MAX_MOVES_PER_SECOND: 1 })
  const ends = Promise.all(clients.map(({ closed }) => closed))
  const began = performance.now()
  await app.stop()
  t.ok((await ends).every(({ code }) => code === 1012))
  const took = performance.now() - began
  t.ok(took < 10_000, `${took} ms, at one in a second`)
})

t.test('a pod that is back in time takes all of them', async t => {
  const { app, balancer, clients } = await start(t, 200, { REHOME_TIMEOUT_MS: 12_000 })
  const { port } = app
  const began = performance.now()
  await app.stop()
  await waitFor(() => performance.now() - began >= 6000, 'half of the time is over')
  const again = await startApp(t, { port })
  await waitFor(async () => (await balancer.metric('moves_waiting')) === 0, 'nobody is without a pod')
  const told = balancer.logs.filter(({ msg }) => msg === 'a client has to connect again')
  t.strictSame(told, [])
  t.equal(await balancer.metric('rehomes_total', { reason: 'crash', result: 'moved' }), 200)
  for (const client of clients) client.send('still here')
  await Promise.all(clients.map(client => client.received(1)))
  t.equal(again.server.clients.size, 200)
  t.ok(clients.every(({ socket }) => socket.readyState === socket.OPEN))
})
