import t from 'tap'
import { startApp } from '../../../helpers/app.ts'
import { connect } from '../../../helpers/client.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { startUpgrades } from './harness.ts'

t.test('a bridge is among the open ones until both its sockets are gone, and its end is told once', async t => {
  const app = await startApp(t)
  const { port, bridges, ends } = await startUpgrades(t, app.port)
  const client = await connect(t, port)
  t.equal(bridges.all.size, 1)
  client.socket.close(4000, 'bye')
  await waitFor(() => bridges.all.size === 0, 'it has ended')
  t.strictSame(ends, [{ cause: 'client', code: 4000, reason: 'bye' }])
})

t.test('at a shutdown every client is closed with 1012, and it waits for all of them', async t => {
  const app = await startApp(t)
  const { port, bridges, ends } = await startUpgrades(t, app.port)
  await bridges.closed()
  const clients = await Promise.all([connect(t, port), connect(t, port), connect(t, port)])
  const closed = bridges.closed()
  bridges.closeAll()
  for (const client of clients) t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
  await closed
  t.equal(bridges.all.size, 0)
  t.strictSame(new Set(ends.map(({ cause }) => cause)), new Set(['shutdown']))
})

t.test('a termination asks nobody', async t => {
  const app = await startApp(t)
  const { port, bridges, ends } = await startUpgrades(t, app.port)
  const client = await connect(t, port)
  bridges.terminateAll()
  t.equal((await client.closed).code, 1006)
  await bridges.closed()
  t.match(ends, [{ cause: 'terminated' }])
})

t.test('limits in time are counted by one timer for all, which ends with it; open bridges go on', async t => {
  const app = await startApp(t)
  const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
  const { port, bridges } = await startUpgrades(t, app.port, { settings: { CLIENT_PING_SECONDS: 1 } })
  const clients = await Promise.all([connect(t, port), connect(t, port)])
  let pings = 0
  for (const { socket } of clients) socket.on('ping', () => pings++)
  await waitFor(() => pings >= 2, 'both are pinged')
  const before = timers()
  bridges.stop()
  t.ok(timers() < before)
  clients[0]?.send('still there')
  await clients[0]?.received(1)
})
