import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { waitFor } from '../../helpers/wait.ts'

interface LogLine {
  level: string
  msg: string
  address?: AddressInfo
  admin?: AddressInfo
  [field: string]: unknown
}

interface Running {
  readonly child: ChildProcessWithoutNullStreams
  readonly stdout: () => string
  readonly stderr: () => string
  readonly lines: () => LogLine[]
  /** The first line with this message, as soon as it is there. */
  logged(message: string | RegExp): Promise<LogLine>
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

/** Starts a real process. */
function run(t: Test, settings: Record<string, string> = {}, args: string[] = []): Running {
  const variables = Object.entries({
    NEEDED: 'yes',
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_HOST: '127.0.0.1',
    ADMIN_PORT: '0',
    SHUTDOWN_SECONDS: '20',
    ...settings,
  }).map(([name, value]) => [`WS_OPERATOR_${name}`, value])
  const env = { ...process.env, ...Object.fromEntries(variables) }
  const child = spawn(process.execPath, [join(import.meta.dirname, 'fixture-program.ts'), ...args], { env })
  t.teardown(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  const lines = () =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as LogLine)
  const find = (message: string | RegExp) =>
    lines().find(({ msg }) => (typeof message === 'string' ? msg === message : message.test(msg)))
  return {
    child,
    lines,
    stdout: () => stdout,
    stderr: () => stderr,
    logged: async message => {
      await waitFor(() => find(message) !== undefined, `the log line ${message}; standard error: ${stderr}`)
      return find(message) as LogLine
    },
    ended: once(child, 'close').then(([code, signal]) => code ?? signal),
  }
}

async function get(address: AddressInfo | undefined, path: string, method = 'GET') {
  const response = await fetch(`http://127.0.0.1:${address?.port}${path}`, { method })
  return { status: response.status, body: await response.text() }
}

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

t.test('while it starts it is alive and not ready, and SIGTERM ends it', async t => {
  const { child, logged, ended } = run(t, { BEHAVIOUR: 'slow-build', LOG_LEVEL: 'debug' })
  const { admin } = await logged('admin server listening')
  t.equal((await get(admin, '/healthz')).status, 200)
  t.strictSame(await get(admin, '/readyz'), { status: 503, body: 'starting\n' })
  child.kill('SIGTERM')
  t.equal(await ended, 0)
})

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
