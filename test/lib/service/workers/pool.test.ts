import cluster from 'node:cluster'
import { get } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createLogger } from '../../../../lib/service/log/log.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'
import { WorkerPool } from '../../../../lib/service/workers/pool.ts'
import { waitFor } from '../../../helpers/wait.ts'

cluster.setupPrimary({ exec: join(import.meta.dirname, '..', 'fixture-program.ts'), silent: true })

t.setTimeout(180_000)

/** A pool of two that has not started, in this process. */
function makePool(t: Test, behaviour: string, checkMs: number) {
  Object.assign(process.env, {
    WS_OPERATOR_NEEDED: 'yes',
    WS_OPERATOR_HOST: '127.0.0.1',
    WS_OPERATOR_PORT: '0',
    WS_OPERATOR_BEHAVIOUR: behaviour,
  })
  const logs: Record<string, unknown>[] = []
  const log = createLogger('fixture', 'here', 'info', { write: line => void logs.push(JSON.parse(line)) })
  const pool = new WorkerPool({ count: 2, log, metrics: new Metrics(), checkMs })
  t.teardown(async () => {
    const stopped = pool.stop(0).catch(() => {})
    for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
    await stopped
  })
  const shows = async (sample: string) => (await pool.registry.metrics()).includes(`\nws_operator_${sample}\n`)
  return { pool, logs, shows }
}

/** The process that takes the next connection. */
function pidAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ port, path: '/pid', agent: false }, response => {
      response.toArray().then(chunks => resolve(chunks.join('')), reject)
    }).on('error', reject)
  })
}

t.test('a worker that stands still is killed and replaced; meanwhile the others are enough', async t => {
  const { pool, logs, shows } = makePool(t, 'good', 500)
  t.equal(await pool.notReady(), 'starting')
  await pool.start()
  t.equal(await pool.notReady(), undefined)
  t.ok(await shows('workers 2'))

  const [stuck, other] = Object.values(cluster.workers ?? {})
  stuck?.process.kill('SIGSTOP')
  t.equal(await pool.notReady(), undefined, 'one that answers makes it ready')
  t.ok(await shows('workers 2'), 'and does for metrics')
  await waitFor(() => shows('worker_restarts_total{reason="stopped"} 1'), 'it is replaced', 30_000)
  t.match(
    logs.find(({ msg }) => /stands still/.test(String(msg))),
    { level: 'error', worker: stuck?.id, reason: 'stopped' },
  )
  t.match(
    logs.find(({ msg }) => msg === 'a worker ended, another takes its place'),
    { worker: stuck?.id, reason: 'stopped', err: { message: /SIGKILL/ } },
  )
  t.ok(other?.isConnected(), 'the other one goes on')
  await waitFor(() => shows('workers 2'), 'two again', 30_000)

  await pool.stop(Date.now() + 10_000)
  t.strictSame(Object.keys(cluster.workers ?? {}), [])
})

t.test('a worker in an endless loop is killed, later than one that stands still', async t => {
  const { pool, logs, shows } = makePool(t, 'good', 500)
  const { port } = await pool.start()
  const answer = fetch(`http://127.0.0.1:${port}/spin`, { method: 'POST' })
  await t.rejects(answer, 'its connection ends with it')
  await waitFor(() => shows('worker_restarts_total{reason="stuck"} 1'), 'it is replaced', 30_000)
  t.ok(await shows('worker_restarts_total{reason="stopped"} 0'))
  t.match(
    logs.find(({ reason }) => reason === 'stuck'),
    { level: 'error', msg: /is busy/ },
  )
  await waitFor(() => shows('workers 2'), 'two again', 30_000)
})

t.test('a worker with an error that nobody catches takes no more connections, drains, and is replaced', async t => {
  const { pool, shows } = makePool(t, 'slow-drain', 60_000)
  const { port } = await pool.start()
  t.not(await pidAt(port), await pidAt(port), 'connections go to both in turn')
  await fetch(`http://127.0.0.1:${port}/throw`, { method: 'POST' })
  const sixPids = async () => new Set(await Promise.all(Array.from({ length: 6 }, () => pidAt(port))))
  await waitFor(async () => (await sixPids()).size === 1, 'the other one takes them all')
  t.ok(await shows('worker_restarts_total{reason="ended"} 0'), 'while this one drains')
  t.ok(await shows('workers 2'))
  t.equal(await pool.notReady(), 'it is here for slow-drain; shutting down', 'each says why it is not ready')
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL')
  await waitFor(() => shows('workers 2'), 'two again', 30_000)
  t.ok(await shows('worker_restarts_total{reason="ended"} 2'))
})

t.test('workers that cannot start: why, said by the first of them', async t => {
  const { pool } = makePool(t, 'bad-build', 60_000)
  await t.rejects(pool.start(), { message: 'the flux capacitor is missing' })
})

t.test('a worker that does not drain well is an error', async t => {
  const { pool } = makePool(t, 'bad-drain', 60_000)
  await pool.start()
  await t.rejects(pool.stop(Date.now() + 10_000), { message: /^worker \d+ ended with 1 instead of draining$/ })
})

t.test('a machine on which no worker can be started: why, and the primary lives', async t => {
  const { settings } = cluster
  t.teardown(() => cluster.setupPrimary({ ...settings, cwd: undefined }))
  cluster.setupPrimary({ cwd: '/nonexistent' })
  await t.rejects(makePool(t, 'good', 60_000).pool.start(), { code: 'ENOENT' }, 'said later, by an event')
  const { fork } = cluster
  t.teardown(() => Object.assign(cluster, { fork }))
  Object.assign(cluster, { fork: noMemory })
  await t.rejects(makePool(t, 'good', 60_000).pool.start(), { code: 'ENOMEM' }, 'said at once')
})

t.test('a worker that cannot be replaced now is replaced later', async t => {
  const { pool, logs, shows } = makePool(t, 'good', 60_000)
  await pool.start()
  const { fork } = cluster
  t.teardown(() => Object.assign(cluster, { fork }))
  Object.assign(cluster, { fork: noMemory })
  Object.values(cluster.workers ?? {})[0]?.process.kill('SIGKILL')
  await waitFor(() => logs.some(({ err }) => (err as NodeJS.ErrnoException)?.code === 'ENOMEM'), 'there is no memory')
  Object.assign(cluster, { fork })
  await waitFor(() => shows('workers 2'), 'two again', 30_000)
})

function noMemory(): never {
  throw Object.assign(new Error('spawn ENOMEM'), { code: 'ENOMEM' })
}
