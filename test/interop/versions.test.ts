import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { buildAll } from '../../scripts/build.ts'
import { type App, startApp } from '../helpers/app.ts'
import { type Client, connect } from '../helpers/client.ts'
import { type ProgramProcess, startProgram } from '../helpers/process.ts'
import { type MembersFile, membersFile, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { echoes } from '../helpers/workers.ts'

// The programs of an older version beside those of this one: the versions that meet while a cluster is upgraded.

/** The last version whose sidecars and balancers knew no hand-over. */
const OLD = 'f1ccc5b54284ee1414bccfa3bcd2dd069543e984'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The older version's sources, in `folder`; why they are not there, if so. */
function unpackOld(folder: string): string | false {
  try {
    execFileSync('git', ['cat-file', '-e', `${OLD}^{commit}`], { cwd: root, stdio: 'ignore' })
  } catch {
    return `commit ${OLD} is not here: not a clone, or a shallow one`
  }
  const archive = execFileSync('git', ['archive', OLD], { cwd: root, maxBuffer: 2 ** 28 })
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return false
}

const folder = mkdtempSync(join(tmpdir(), 'ws-operator-old-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const skip = unpackOld(folder)
if (!skip) {
  // Each with its own script; this one's starts as fast as the other's only as a bundle.
  execFileSync(process.execPath, [join(folder, 'scripts/build.ts')], { stdio: 'ignore' })
  await buildAll(join(folder, 'dist-new'))
}

type Version = 'old' | 'new'
type Program = 'sidecar' | 'balancer'

const mainOf = (version: Version, program: Program): string =>
  join(folder, version === 'old' ? 'dist' : 'dist-new', `${program}.js`)

const freePort = () =>
  new Promise<number>(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })

interface Pod {
  readonly app: App
  /** Plain HTTP requests that reached the app. */
  readonly requests: string[]
  readonly sidecar: ProgramProcess
  readonly name: string
}

interface Setting {
  readonly pods: readonly Pod[]
  readonly balancer: ProgramProcess
  readonly members: MembersFile
  /** Two users, the first on the first pod. */
  readonly users: readonly [string, string]
}

async function start(
  t: Test,
  balancerVersion: Version,
  versions: readonly [Version, Version],
  more: Record<string, string> = { DELIVER: 'app' },
): Promise<Setting> {
  const members = await membersFile()
  const discovery = { DISCOVERY: 'file', MEMBERS_FILE: members.path }
  const startPod = async (version: Version): Promise<Pod> => {
    const app = await startApp(t)
    const requests: string[] = []
    app.http.on('request', (request, response) => {
      requests.push(`${request.method} ${request.url}`)
      response.writeHead(404).end()
    })
    const port = await freePort()
    const name = `127.0.0.1:${port}`
    const env = { ...discovery, ...more, APP_PORT: app.port, PORT: port, SELF: name, SHUTDOWN_SECONDS: 2 }
    return { app, requests, name, sidecar: await startProgram(t, 'sidecar', env, mainOf(version, 'sidecar')) }
  }
  const [balancer, ...pods] = await Promise.all([
    startProgram(t, 'balancer', { ...discovery, WORKERS: 1, SHUTDOWN_SECONDS: 2 }, mainOf(balancerVersion, 'balancer')),
    ...versions.map(startPod),
  ])
  await members.set(...pods.map(({ name }) => name))
  const set = MemberSet.of(pods.map(({ name }) => parseMember(name)))
  const ownerOf = (user: string) => pods.findIndex(({ name }) => name === set.owner(user)?.name)
  const users = [userOn(ownerOf, 0), userOn(ownerOf, 1)] as const
  for (const program of [...pods.map(({ sidecar }) => sidecar), balancer]) await knows(program, 2)
  return { pods, balancer, members, users }
}

/** Waits until a program has so many members in its list. */
async function knows({ adminPort }: ProgramProcess, count: number): Promise<void> {
  await waitFor(async () => {
    const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
    return text.split('\n').includes(`ws_operator_members ${count}`)
  }, `${count} members are known`)
}

/** Everybody writes to the other one at the same time; all of it has to arrive, in its order, once. */
async function talk(
  t: Test,
  [alice, bob]: readonly [string, string],
  clients: readonly [Client, Client],
  count: number,
) {
  const text = (from: string, to: string, n: number) => JSON.stringify({ recipientId: to, from, n })
  const json = (client: Client) => client.texts.filter(line => line.startsWith('{'))
  const before = clients.map(client => json(client).length)
  for (let n = 0; n < count; n++) {
    clients[0].send(text(alice, bob, n))
    clients[1].send(text(bob, alice, n))
  }
  const numbers = Array.from({ length: count }, (_, n) => n)
  for (const [index, [client, from, to]] of (
    [
      [clients[0], bob, alice],
      [clients[1], alice, bob],
    ] as const
  ).entries()) {
    const got = () => json(client).slice(before[index])
    await waitFor(() => got().length >= count, `${to} has ${count} messages`, 20_000).catch(() => undefined)
    t.strictSame(
      got(),
      numbers.map(n => text(from, to, n)),
      `${from} to ${to}`,
    )
  }
}

const MIXES: readonly (readonly [balancer: Version, pods: readonly [Version, Version]])[] = [
  ['old', ['new', 'new']],
  ['new', ['old', 'old']],
  ['new', ['old', 'new']],
]

for (const [balancerVersion, versions] of MIXES) {
  t.test(`${balancerVersion} balancer, ${versions.join(' and ')} sidecar`, { skip }, async t => {
    const { pods, balancer, members, users } = await start(t, balancerVersion, versions)
    const [alice, bob] = users
    const [first, second] = [
      await connect(t, balancer.port, { user: alice, protocols: ['chat'] }),
      await connect(t, balancer.port, { user: bob }),
    ] as const
    t.equal(first.socket.protocol, 'chat')
    for (const [index, client] of [first, second].entries()) {
      t.equal(client.response.headers['x-ws-operator-upstream-host'], pods[index]?.name, 'each on their own pod')
      await echoes(client, `hello ${index}`)
      client.send(Buffer.from([0, 1, 2, 255]))
      await waitFor(() => client.messages.some(({ binary }) => binary), 'binary comes back')
    }
    await talk(t, users, [first, second], 200)
    t.strictSame(
      pods.map(({ app, requests }) => [app.handshakes.length, requests]),
      [
        [1, []],
        [1, []],
      ],
      'the apps saw one connection each, and nothing of the sidecars',
    )

    // A pod is taken away as Kubernetes does it: off the list, then SIGTERM.
    await members.set(pods[1]!.name)
    pods[0]?.sidecar.child.kill('SIGTERM')
    t.strictSame(await pods[0]?.sidecar.exited, { code: 0, signal: null })
    let alices = first
    if (balancerVersion === 'old') {
      t.match(await first.closed, { code: 1012 }, 'its client is told to come again')
      // It does not pass over a pod that is gone.
      await knows(balancer, 1)
      alices = await connect(t, balancer.port, { user: alice })
    }
    for (const client of [alices, second]) await echoes(client, 'after')
    await talk(t, users, [alices, second], 20)

    alices.socket.close(4001, 'bye')
    t.strictSame(await alices.closed, { code: 4001, reason: 'bye' }, 'the client’s end')
    await waitFor(() => pods[1]?.app.server.clients.size === 1, 'the app has seen it')
    for (const socket of pods[1]!.app.server.clients) socket.close(4002, 'enough')
    t.strictSame(await second.closed, { code: 4002, reason: 'enough' }, 'the app’s end')
    for (const { child, exited } of [balancer, pods[1]!.sidecar]) {
      child.kill('SIGTERM')
      t.strictSame(await exited, { code: 0, signal: null })
    }
  })
}

t.test('a sidecar that knows no deliver: sender takes no such message, and the sender learns it', { skip }, async t => {
  const { pods, balancer, users } = await start(t, 'new', ['new', 'old'], { RECEIPTS: 'true' })
  const [alice, bob] = users
  const first = await connect(t, balancer.port, { user: alice })
  const second = await connect(t, balancer.port, { user: bob })
  first.send(JSON.stringify({ recipientId: bob, text: 'as alice', id: 1 }))
  await first.received(1)
  t.match(JSON.parse(first.texts[0] ?? ''), { outcome: 'rejected', id: 1 })
  t.strictSame(pods[1]?.app.received, [], 'nor does its app get it as somebody else’s')
  second.send(JSON.stringify({ recipientId: alice, text: 'as the older one delivers' }))
  await waitFor(() => pods[0]?.app.received.length === 1, 'the other way it arrives')
  t.equal(pods[0]?.app.received[0]?.user, alice)
})
