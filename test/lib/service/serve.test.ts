import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { mock } from 'node:test'
import t from 'tap'
import { drainDeadline } from '../../../lib/service/serve.ts'
import { get, run } from './fixture-process.ts'

t.setTimeout(180_000)

t.test('a drain ends half a second before the process must, so that it can still close and exit', async t => {
  const time = mock.method(Date, 'now', () => 1_000_000)
  t.teardown(() => time.mock.restore())
  t.equal(drainDeadline(20_000), 1_019_500)
})

t.test('SIGTERM: not ready at once, drained, closed, exit code 0', async t => {
  const { child, logged, ended, lines } = run(t, { BEHAVIOUR: 'slow-drain', INSTANCE: 'pod-1' })
  const { address, admin } = await logged('listening')
  t.strictSame(await get(address, '/'), { status: 200, body: 'pod-1' })
  t.strictSame(await get(admin, '/healthz'), { status: 200, body: 'ok\n' })
  t.strictSame(await get(admin, '/readyz'), { status: 503, body: 'it is here for slow-drain\n' })

  child.kill('SIGTERM')
  const { left } = await logged('draining')
  t.ok((left as number) > 15_000 && (left as number) <= 19_500, `${left} ms of 20 s are left to drain`)
  t.strictSame(await get(admin, '/readyz'), { status: 503, body: 'shutting down\n' })
  t.strictSame(await get(admin, '/healthz'), { status: 200, body: 'ok\n' }, 'a pod that drains must not be restarted')
  t.equal((await get(address, '/')).status, 200, 'the server serves while it drains')

  await get(address, '/release', 'POST')
  t.equal(await ended, 0)
  t.match(lines().at(-1), { level: 'info', msg: 'stopped', component: 'fixture', instance: 'pod-1' })
})

t.test('SIGINT is the same', async t => {
  const { child, logged, ended } = run(t)
  const { admin } = await logged('listening')
  t.strictSame(await get(admin, '/readyz'), { status: 200, body: 'ready\n' })
  child.kill('SIGINT')
  t.equal(await ended, 0)
})

t.test('a second signal ends it at once, with exit code 1', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'slow-drain' })
  await logged('listening')
  child.kill('SIGTERM')
  await logged('draining')
  child.kill('SIGTERM')
  t.equal(await ended, 1)
})

t.test('a drain that does not end is cut off at the limit, with exit code 1', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'slow-drain', SHUTDOWN_SECONDS: '1' })
  await logged('listening')
  child.kill('SIGTERM')
  t.equal(await ended, 1)
  t.match(await logged('shutdown'), { level: 'error', err: /timeout \(1000ms\)/ })
})

t.test('a drain that fails is logged, with exit code 1', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'bad-drain' })
  await logged('listening')
  child.kill('SIGTERM')
  t.equal(await ended, 1)
  t.match(await logged('shutdown'), { err: { message: 'drain failed' } })
})

t.test('an error that nobody catches drains it too, with exit code 1', async t => {
  const { logged, ended } = run(t)
  const { address } = await logged('listening')
  await get(address, '/throw', 'POST')
  t.equal(await ended, 1)
  t.match(await logged('uncaught error'), { level: 'fatal', err: { message: 'nobody catches this' } })
  t.ok(await logged('draining'))
})

t.test('while it starts it is alive and not ready, and SIGTERM ends it', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'slow-build', LOG_LEVEL: 'debug' })
  const { admin } = await logged('admin server listening')
  t.equal((await get(admin, '/healthz')).status, 200)
  t.strictSame(await get(admin, '/readyz'), { status: 503, body: 'starting\n' })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

t.test('a port that is taken: one line that names it, exit code 1', async t => {
  const other = createServer()
  await once(other.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  for (const setting of ['PORT', 'ADMIN_PORT']) {
    const { ended, lines } = run(t, { [setting]: String(port) })
    t.equal(await ended, 1, setting)
    t.match(lines(), [{ level: 'fatal', msg: new RegExp(`^cannot start: .*EADDRINUSE.*127.0.0.1:${port}`) }])
    t.equal(lines().length, 1)
  }
})

t.test('anything else that keeps it from starting: one line that says it, exit code 1', async t => {
  const { ended, lines } = run(t, { BEHAVIOUR: 'bad-build' })
  t.equal(await ended, 1)
  t.match(lines(), [{ level: 'fatal', msg: 'cannot start: the flux capacitor is missing' }])
  t.equal(lines().length, 1)
})
