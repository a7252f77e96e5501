import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { buildAll } from '../../scripts/build.ts'
import { command, startProgram } from '../helpers/process.ts'
import { connectAll, echoes, startWorkers, users } from '../helpers/workers.ts'

t.test('not ready, with the reason, while no worker is', async t => {
  const program = await startProgram(t, 'balancer', {
    DISCOVERY: 'file',
    MEMBERS_FILE: '/nonexistent/members.json',
    WORKERS: 2,
  })
  const answer = await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)
  t.equal(answer.status, 503)
  t.match(await answer.text(), 'no member is known')
})

/** Runs a balancer that cannot start until it has ended. */
async function failing(t: Test, env: Record<string, string>) {
  const main = fileURLToPath(new URL('../../balancer/main.ts', import.meta.url))
  const own = { WORKERS: '2', ADMIN_PORT: '0', HOST: '127.0.0.1', MEMBERS: '127.0.0.1:1', ...env }
  return command(t, [main], own)
}

t.test('a bad configuration: each problem once, exit code 2', async t => {
  const { code, stdout, stderr } = await failing(t, { PORT: 'http', LOG_LEVEL: 'loud' })
  t.equal(code, 2)
  t.equal(stdout, '')
  t.strictSame(stderr.match(/WS_OPERATOR_\w+/g)?.sort(), ['WS_OPERATOR_LOG_LEVEL', 'WS_OPERATOR_PORT'], stderr)
})

t.test('a port that is taken: one line that names it, exit code 1', async t => {
  const other = createServer()
  await once(other.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => other.close())
  const { port } = other.address() as AddressInfo
  const { code, stdout } = await failing(t, { PORT: String(port) })
  t.equal(code, 1)
  const fatal = stdout.split('\n').filter(line => line.includes('"level":"fatal"'))
  t.equal(fatal.length, 1, stdout)
  t.match(JSON.parse(fatal[0] ?? '{}').msg, new RegExp(`^cannot start: .*EADDRINUSE.*127.0.0.1:${port}`))
})

t.test('the bundle has workers too', async t => {
  const folder = t.testdir()
  const bundles = await buildAll(folder)
  const main = bundles.find(({ file }) => file.endsWith('balancer.js'))?.file
  const { program, workers } = await startWorkers(t, {}, main)
  const clients = await connectAll(t, program, users(4))
  t.strictSame(new Set(clients.map(({ worker }) => worker)), new Set(workers.map(({ worker }) => worker)))
  for (const { user, client } of clients) await echoes(client, `hello ${user}`)
  program.child.kill('SIGTERM')
  t.strictSame(await program.exited, { code: 0, signal: null })
})
