import t from 'tap'
import { connect } from '../helpers/client.ts'
import type { ProgramProcess } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import { connectAll, echoes, startWorkers, users, workersOf } from '../helpers/workers.ts'

// Up to ten processes of a balancer start one after the other, and one is given time to be noticed.
t.setTimeout(180_000)

async function metric(program: ProgramProcess, sample: string): Promise<number | undefined> {
  const text = await (await fetch(`http://127.0.0.1:${program.adminPort}/metrics`)).text()
  const line = text.split('\n').find(line => line.startsWith(`ws_operator_${sample} `))
  return line === undefined ? undefined : Number(line.split(' ')[1])
}

const lives = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

t.test('one port, connections in turn, and metrics, readiness and drain for all workers together', async t => {
  const { program, workers } = await startWorkers(t)
  const clients = await connectAll(t, program, users(8))
  for (const { worker } of workers) t.equal(clients.filter(client => client.worker === worker).length, 4)
  t.equal(program.logs.filter(({ msg }) => msg === 'listening').length, 1, 'said once')

  t.equal((await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)).status, 200)
  t.equal(await metric(program, 'workers'), 2)
  t.equal(await metric(program, 'connections'), 8)
  t.equal(await metric(program, 'upgrades_total{result="accepted"}'), 8)
  t.equal(await metric(program, 'members'), 1, 'which both workers know')
  t.equal(await metric(program, 'worker_restarts_total{reason="ended"}'), 0)

  // As Ctrl-C does: every process of the group gets the signal.
  for (const { pid } of workers) process.kill(pid, 'SIGINT')
  for (const { user, client } of clients) await echoes(client, `${user} is untouched`)
  program.child.kill('SIGINT')
  for (const { client } of clients) t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
  t.strictSame(await program.exited, { code: 0, signal: null })
})

t.test('a killed worker is replaced, clients of the others stay, counters never go down', async t => {
  const { program, workers } = await startWorkers(t)
  const clients = await connectAll(t, program, users(6))
  t.equal(await metric(program, 'upgrades_total{result="accepted"}'), 6)
  const [victim] = workers
  process.kill(victim!.pid, 'SIGKILL')
  for (const { client, worker } of clients) if (worker === victim?.worker) t.equal((await client.closed).code, 1006)
  for (const { user, client, worker } of clients) if (worker !== victim?.worker) await echoes(client, `hello ${user}`)
  await waitFor(() => workersOf(program).length === 3, 'another one takes its place')
  const late = await connectAll(t, program, users(4, 'late'))
  t.ok(
    late.some(({ worker }) => worker === workersOf(program)[2]?.worker),
    'it takes connections',
  )
  t.equal(await metric(program, 'worker_restarts_total{reason="ended"}'), 1)
  t.equal(await metric(program, 'workers'), 2)
  t.equal(await metric(program, 'upgrades_total{result="accepted"}'), 10, 'six before, four after')
  t.equal(await metric(program, 'connections'), 7)
  t.match(
    program.logs.find(({ msg }) => msg === 'a worker ended, another takes its place'),
    { level: 'error', worker: victim?.worker, delayMs: 100, err: { message: /SIGKILL/ } },
  )
})

t.test('a worker that is stopped is killed and replaced; meanwhile the other one takes clients', async t => {
  const { program, workers } = await startWorkers(t)
  const clients = await connectAll(t, program, users(4))
  const [victim] = workers
  process.kill(victim!.pid, 'SIGSTOP')
  // Connections are dealt out in turn: one of the two is dealt to the stopped worker, which is dealt no further one.
  const dealt = [0, 1].map(n => connect(t, program.port, { user: `dealt-${n}` }))
  for (const one of dealt) one.catch(() => {})
  await echoes(await Promise.any(dealt), 'one of two')
  for (const user of users(4, 'meanwhile')) await echoes(await connect(t, program.port, { user }), user)
  for (const { user, client, worker } of clients) if (worker !== victim?.worker) await echoes(client, `hello ${user}`)
  t.ok(lives(victim!.pid), 'all that while it is still there')

  await waitFor(() => !lives(victim!.pid), 'the stopped one is killed', 30_000)
  for (const { client, worker } of clients) if (worker === victim?.worker) t.equal((await client.closed).code, 1006)
  await waitFor(() => workersOf(program).length === 3, 'another one takes its place', 30_000)
  const late = await connectAll(t, program, users(4, 'late'))
  t.ok(
    late.some(({ worker }) => worker === workersOf(program)[2]?.worker),
    'it takes connections',
  )
  t.equal(await metric(program, 'worker_restarts_total{reason="stopped"}'), 1)
  t.equal(await metric(program, 'worker_restarts_total{reason="ended"}'), 0)
  t.match(
    program.logs.find(({ msg }) => /stands still/.test(String(msg))),
    { level: 'error', worker: victim?.worker, reason: 'stopped' },
  )
})

t.test('a second signal ends all of it at once', async t => {
  const { program, workers } = await startWorkers(t, { SHUTDOWN_SECONDS: 60 })
  const [mute] = await connectAll(t, program, ['mute'])
  // It keeps the drain waiting: its close frame is never answered.
  mute?.client.socket.pause()
  program.child.kill('SIGTERM')
  await waitFor(
    async () => (await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)).status === 503,
    'it shuts down',
  )
  program.child.kill('SIGTERM')
  t.strictSame(await program.exited, { code: 1, signal: null })
  await waitFor(() => !workers.some(({ pid }) => lives(pid)), 'no worker is left')
})

t.test('a primary that is killed leaves no worker behind', async t => {
  const { program, workers } = await startWorkers(t)
  program.child.kill('SIGKILL')
  t.strictSame(await program.exited, { code: null, signal: 'SIGKILL' })
  await waitFor(() => !workers.some(({ pid }) => lives(pid)), 'no worker is left')
})
