import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { buildAll } from '../../scripts/build.ts'
import { startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { command, type ProgramProcess, startProgram } from '../helpers/process.ts'
import { membersFile } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { echoes } from '../helpers/workers.ts'

t.setTimeout(180_000)

const root = fileURLToPath(new URL('../..', import.meta.url))
const SIDECAR = `${root}/sidecar/main.ts`

/** The preStop hook of a sidecar's pod, with the sidecar's environment. */
const drain = (t: Test, { adminPort }: ProgramProcess, env: Record<string, string | number> = {}, main = SIDECAR) =>
  command(t, [main, 'drain'], { ADMIN_HOST: '127.0.0.1', ADMIN_PORT: adminPort, ...env })

async function startSidecar(t: Test, env: Record<string, string | number> = {}, main = SIDECAR) {
  const app = await startApp(t)
  const settings = { APP_PORT: app.port, SELF: '127.0.0.1:3000', MEMBERS: '127.0.0.1:3000', ...env }
  return { app, sidecar: await startProgram(t, 'sidecar', settings, main) }
}

const readiness = async ({ adminPort }: ProgramProcess) => {
  const response = await fetch(`http://127.0.0.1:${adminPort}/readyz`)
  return { status: response.status, body: await response.text() }
}

t.test('a pod hands its users over before it ends: no client notices', async t => {
  const members = await membersFile()
  const discovery = { DISCOVERY: 'file', MEMBERS_FILE: members.path }
  const pods = [await startSidecar(t, discovery), await startSidecar(t, discovery)]
  const [leaving, staying] = pods.map(({ sidecar }) => sidecar) as [ProgramProcess, ProgramProcess]
  await members.set(...pods.map(({ sidecar }) => `127.0.0.1:${sidecar.port}`))
  const balancer = await startProgram(t, 'balancer', { ...discovery, REHOME: 'transparent', WORKERS: 1 })
  const users = Array.from({ length: 12 }, (_, n) => `user-${n}`)
  const clients = await Promise.all(users.map(user => connect(t, balancer.port, { user })))
  for (const client of clients) await echoes(client, 'before')
  const moving = pods[0]?.app.server.clients.size ?? 0
  t.ok(moving > 0, `${moving} of ${users.length} users are on the pod that leaves`)

  const { code, stdout, stderr } = await drain(t, leaving)
  t.equal(code, 0)
  t.equal(stdout, `200: ${moving} of ${moving} connections were handed over, 0 had to be closed\n`)
  t.equal(stderr, '')
  t.strictSame(await readiness(leaving), { status: 503, body: 'draining\n' })
  t.equal(leaving.child.exitCode, null, 'it ends when it is told to')

  leaving.child.kill('SIGTERM')
  t.strictSame(await leaving.exited, { code: 0, signal: null })
  for (const client of clients) {
    await echoes(client, 'after')
    t.equal(client.socket.readyState, client.socket.OPEN)
  }
  t.equal(pods[1]?.app.server.clients.size, users.length)
  t.equal((await readiness(staying)).status, 200)
})

t.test('a pod that is ended without a word before hands its users over first: no client notices', async t => {
  const members = await membersFile()
  const discovery = { DISCOVERY: 'file', MEMBERS_FILE: members.path }
  const pods = [await startSidecar(t, discovery), await startSidecar(t, discovery)]
  await members.set(...pods.map(({ sidecar }) => `127.0.0.1:${sidecar.port}`))
  const balancer = await startProgram(t, 'balancer', { ...discovery, REHOME: 'transparent', WORKERS: 1 })
  const users = Array.from({ length: 12 }, (_, n) => `user-${n}`)
  const clients = await Promise.all(users.map(user => connect(t, balancer.port, { user })))
  for (const client of clients) await echoes(client, 'before')
  t.ok((pods[0]?.app.server.clients.size ?? 0) > 0, 'some users are on the pod that leaves')
  const leaving = pods[0]?.sidecar as ProgramProcess
  leaving.child.kill('SIGTERM')
  t.strictSame(await leaving.exited, { code: 0, signal: null })
  for (const client of clients) {
    await echoes(client, 'after')
    t.equal(client.socket.readyState, client.socket.OPEN)
  }
  t.equal(pods[1]?.app.server.clients.size, users.length)
})

t.test('clients that nobody takes keep their pod until the time is over, and are then told to come again', async t => {
  const { app, sidecar } = await startSidecar(t, { DRAIN_SECONDS: 1 })
  const client = await connect(t, sidecar.port, { user: 'alice' })
  let isOver = false
  // Begins before the hook does, so a client that is closed in time is closed after it.
  setTimeout(() => {
    isOver = true
  }, 1000)
  const hook = drain(t, sidecar, { DRAIN_SECONDS: 1 })
  await waitFor(async () => (await readiness(sidecar)).body === 'draining\n', 'it is not ready any more')
  await echoes(client, 'still served')
  const { status, body } = await refusal(t, sidecar.port, { user: 'late' })
  t.equal(status, 503)
  t.match(body, 'WSO_ERR_DRAINING')
  t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
  t.ok(isOver, 'not before')
  const { code, stdout } = await hook
  t.equal(code, 0)
  t.equal(stdout, '200: 0 of 1 connections were handed over, 1 had to be closed\n')
  await waitFor(() => app.server.clients.size === 0, 'the app has seen it go')
  sidecar.child.kill('SIGTERM')
  t.strictSame(await sidecar.exited, { code: 0, signal: null })
})

t.test('the app ends first, as one without a preStop hook does: the hook ends too', async t => {
  const { app, sidecar } = await startSidecar(t, { DRAIN_SECONDS: 60 })
  const client = await connect(t, sidecar.port, { user: 'alice' })
  const hook = drain(t, sidecar, { DRAIN_SECONDS: 60 })
  await waitFor(async () => (await readiness(sidecar)).body === 'draining\n', 'the hand-over has begun')
  await app.stop()
  t.equal((await client.closed).code, 1006)
  const { code, stdout } = await hook
  t.equal(code, 0)
  t.match(stdout, /^200: /)
})

t.test('two hooks are one hand-over', async t => {
  const { sidecar } = await startSidecar(t)
  const answers = await Promise.all([drain(t, sidecar), drain(t, sidecar)])
  const expected = '200: 0 of 0 connections were handed over, 0 had to be closed\n'
  t.strictSame(answers, Array(2).fill({ code: 0, stdout: expected, stderr: '' }))
  t.equal(sidecar.logs.filter(({ msg }) => msg === 'handing over').length, 1)
})

t.test('where no sidecar answers, the hook says so and does not fail: nobody could do anything about it', async t => {
  const { sidecar } = await startSidecar(t)
  sidecar.child.kill('SIGKILL')
  await sidecar.exited
  const { code, stdout, stderr } = await drain(t, sidecar)
  t.equal(code, 0)
  t.match(stdout, new RegExp(`^nothing was handed over: 127.0.0.1:${sidecar.adminPort}: .*ECONNREFUSED.*\\n$`))
  t.equal(stderr, '')
})

/** Makes a process write down every module that it loads, in the order of loading. */
const TELL_MODULES = `data:text/javascript,${encodeURIComponent(`
import { registerHooks } from 'node:module'
registerHooks({ load(url, context, next) { if (url.startsWith('file:')) console.error(url); return next(url, context) } })
`)}`

t.test('as a preStop hook it loads next to nothing, because the kubelet waits for it', async t => {
  const { stderr } = await command(t, ['--import', TELL_MODULES, SIDECAR, 'drain'], {
    ADMIN_HOST: '127.0.0.1',
    ADMIN_PORT: 1,
  })
  const loaded = stderr.trim().split('\n')
  t.strictSame(
    loaded.map(url => fileURLToPath(url).slice(root.length)),
    ['sidecar/main.ts', 'sidecar/drain-command.ts', 'lib/service/drain-request.ts', 'lib/service/names.ts'],
  )
})

t.test('the bundle has the hook too', async t => {
  const bundles = await buildAll(t.testdir())
  const main = bundles.find(({ file }) => file.endsWith('sidecar.js'))?.file ?? ''
  const { sidecar } = await startSidecar(t, {}, main)
  const { code, stdout } = await drain(t, sidecar, {}, main)
  t.equal(code, 0)
  t.equal(stdout, '200: 0 of 0 connections were handed over, 0 had to be closed\n')
})

t.test('--help of the sidecar names the hook; a balancer has none', async t => {
  t.match((await command(t, [SIDECAR, '--help'])).stdout, /^ {2}drain {3}tells the sidecar of this pod/m)
  t.notMatch((await command(t, [`${root}/balancer/main.ts`, '--help'])).stdout, /^ {2}drain /m)
  for (const WORKERS of [1, 2]) {
    const balancer = await startProgram(t, 'balancer', { MEMBERS: '127.0.0.1:1', WORKERS })
    const response = await fetch(`http://127.0.0.1:${balancer.adminPort}/drain`, { method: 'POST' })
    t.equal(response.status, 404, `with ${WORKERS} workers`)
  }
})
