import { networkInterfaces } from 'node:os'
import t from 'tap'
import { Metrics } from '../../../lib/service/metrics.ts'
import { countDroppedLines } from '../../../lib/service/program.ts'
import { get, run } from './fixture-process.ts'

t.setTimeout(180_000)

t.test('a hand-over: not ready at once, done once, and SIGTERM is as ever after it', async t => {
  const { child, logged, ended, lines } = run(t, { BEHAVIOUR: 'slow-hand-over', HAND_OVER_MS: '30000' })
  const { address, admin } = await logged('listening')
  const first = get(admin, '/drain', 'POST')
  const { left } = await logged('asked to hand over')
  t.ok((left as number) > 20_000 && (left as number) <= 30_000, `${left} ms of 30 s are left`)
  t.strictSame(await get(admin, '/readyz'), { status: 503, body: 'draining\n' })
  t.equal((await get(admin, '/healthz')).status, 200, 'a pod that drains must not be restarted')
  t.equal((await get(address, '/')).status, 200, 'the server serves meanwhile')
  const second = get(admin, '/drain', 'POST')

  await get(address, '/release', 'POST')
  const done = { status: 200, body: 'somebody has it\n' }
  t.strictSame(await first, done)
  t.strictSame(await second, done, 'joined')
  t.strictSame(await get(admin, '/drain', 'POST'), done, 'nothing is left to do')
  t.equal(lines().filter(({ msg }) => msg === 'asked to hand over').length, 1)
  t.match(await logged('handed over'), { level: 'info', result: 'somebody has it' })
  t.strictSame(await get(admin, '/readyz'), { status: 503, body: 'draining\n' }, 'it does not get ready again')
  t.equal(child.exitCode, null, 'it ends when it is told to')

  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.ok(await logged('draining'), 'and drains what is left')
})

t.test('a hand-over that does not end is not waited for beyond its time', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'slow-hand-over', HAND_OVER_MS: '200' })
  const { admin } = await logged('listening')
  const answer = await get(admin, '/drain', 'POST')
  t.strictSame(answer, { status: 200, body: 'the time for the hand-over is over\n' })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

t.test('a hand-over that fails is logged and said, and SIGTERM is as ever', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'bad-hand-over' })
  const { admin } = await logged('listening')
  const failed = { status: 500, body: 'the hand-over failed: nobody takes it\n' }
  t.strictSame(await get(admin, '/drain', 'POST'), failed)
  t.match(await logged('the hand-over failed'), { level: 'error', err: { message: 'nobody takes it' } })
  t.strictSame(await get(admin, '/drain', 'POST'), failed)
  t.strictSame(await get(admin, '/readyz'), { status: 503, body: 'draining\n' })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

t.test('SIGTERM in the middle of a hand-over does not wait for it', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'slow-hand-over', HAND_OVER_MS: '60000' })
  const { admin } = await logged('listening')
  const answer = get(admin, '/drain', 'POST').catch(() => 'cut')
  await logged('asked to hand over')
  child.kill('SIGTERM')
  t.equal(await ended, 0)
  t.equal(await answer, 'cut')
})

t.test('a program that is still starting has nothing to hand over', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'slow-build', LOG_LEVEL: 'debug' })
  const { admin } = await logged('admin server listening')
  t.strictSame(await get(admin, '/drain', 'POST'), { status: 200, body: 'nothing to hand over\n' })
  t.strictSame(await get(admin, '/readyz'), { status: 503, body: 'draining\n' })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

const [outside] = Object.values(networkInterfaces())
  .flat()
  .filter(found => found !== undefined && found.family === 'IPv4' && !found.internal)
t.test(
  'a hand-over is not begun from outside, also where the admin server listens everywhere',
  { skip: outside ? false : 'this machine has no other address than those of its loopback' },
  async t => {
    const { logged, lines } = run(t, { ADMIN_HOST: '0.0.0.0' })
    const { admin } = await logged('listening')
    const response = await fetch(`http://${outside?.address}:${admin?.port}/drain`, { method: 'POST' })
    t.equal(response.status, 403)
    t.equal(await response.text(), 'only from inside the pod\n')
    t.strictSame(await get(admin, '/readyz'), { status: 200, body: 'ready\n' })
    t.equal(
      lines().some(({ msg }) => msg === 'asked to hand over'),
      false,
    )
  },
)

t.test('a configuration that cannot be used: every problem on standard error, exit code 2', async t => {
  const { ended, stdout, stderr } = run(t, { NEEDED: '', PORT: 'http', BEHAVIOUR: 'odd', SHUTDOWN_SECONDS: '0' })
  t.equal(await ended, 2)
  t.equal(stdout(), '')
  const [head, ...problems] = stderr().trimEnd().split('\n')
  t.equal(head, 'fixture: the configuration cannot be used:')
  t.equal(problems.length, 4)
  for (const name of ['NEEDED is required', 'PORT', 'BEHAVIOUR', 'SHUTDOWN_SECONDS']) {
    t.match(stderr(), `\n  WS_OPERATOR_${name}`)
  }
})

t.test('--help lists every setting and starts nothing, whatever the configuration', async t => {
  for (const flag of ['--help', '-h']) {
    const { ended, stdout, stderr } = run(t, { PORT: 'http' }, [flag])
    t.equal(await ended, 0)
    t.match(stdout(), /^fixture: is started by a test\n/)
    t.match(stdout(), '\n  dance   is not really one\n')
    t.match(stdout(), 'WS_OPERATOR_NEEDED (string, required)\n      Something that has no default.')
    t.match(stdout(), 'WS_OPERATOR_ADMIN_PORT (integer, 9090)')
    t.equal(stderr(), '')
  }
})

t.test('log lines that were dropped are counted, as of now', async t => {
  const metrics = new Metrics()
  const output = { dropped: 0 }
  countDroppedLines(metrics, output)
  const sample = async () => /^ws_operator_log_lines_dropped_total (.*)$/m.exec(await metrics.registry.metrics())?.[1]
  t.equal(await sample(), '0')
  output.dropped = 7
  t.equal(await sample(), '7')
  t.equal(await sample(), '7', 'each once')
})
