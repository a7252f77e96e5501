import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
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

/** Builds the older version's bundles with its own script. @returns their folder, or why there is none */
function buildOld(folder: string): { readonly dist: string } | { readonly missing: string } {
  try {
    execFileSync('git', ['cat-file', '-e', `${OLD}^{commit}`], { cwd: root, stdio: 'ignore' })
  } catch {
    return { missing: `commit ${OLD} is not here: not a clone, or a shallow one` }
  }
  const archive = execFileSync('git', ['archive', OLD], { cwd: root, maxBuffer: 2 ** 28 })
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  execFileSync(process.execPath, [join(folder, 'scripts/build.ts')], { stdio: 'ignore' })
  return { dist: join(folder, 'dist') }
}

const folder = mkdtempSync(join(tmpdir(), 'ws-operator-old-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const old = buildOld(folder)
const skip = 'missing' in old ? old.missing : false

type Version = 'old' | 'new'
type Program = 'sidecar' | 'balancer'

const mainOf = (version: Version, program: Program): string => {
  const main = 'dist' in old && version === 'old' ? join(old.dist, `${program}.js`) : join(root, program, 'main.ts')
  if (!existsSync(main)) throw new Error(`${main} is not there`)
  return main
}

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

async function start(t: Test, balancerVersion: Version, versions: readonly [Version, Version]): Promise<Setting> {
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
    const env = { ...discovery, APP_PORT: app.port, PORT: port, SELF: name, SHUTDOWN_SECONDS: 2 }
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
  for (const program of [...pods.map(({ sidecar }) => sidecar), balancer]) {
    await waitFor(async () => {
      const text = await (await fetch(`http://127.0.0.1:${program.adminPort}/metrics`)).text()
      return /^ws_operator_members 2$/m.test(text)
    }, 'both members are known')
  }
  return { pods, balancer, members, users }
}

/** Everybody writes to the other one at the same time; all of it has to arrive, in its order, once. */
async function talk(
  t: Test,
  [alice, bob]: readonly [string, string],
  clients: readonly [Client, Client],
  count: number,
) {
  const text = (from: string, to: string, n: number) => JSON.stringify({ recipientId: to, from, n })
  for (let n = 0; n < count; n++) {
    clients[0].send(text(alice, bob, n))
    clients[1].send(text(bob, alice, n))
  }
  const numbers = Array.from({ length: count }, (_, n) => n)
  for (const [client, from, to] of [
    [clients[0], bob, alice],
    [clients[1], alice, bob],
  ] as const) {
    const got = () => client.texts.filter(line => line.startsWith('{'))
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
  t.test(
    `${balancerVersion} balancer, ${versions.join(' and ')} sidecar: nothing is lost in calm times`,
    { skip },
    async t => {
      const { pods, balancer, users } = await start(t, balancerVersion, versions)
      const [alice, bob] = users
      const clients = [
        await connect(t, balancer.port, { user: alice, protocols: ['chat'] }),
        await connect(t, balancer.port, { user: bob }),
      ] as const
      t.equal(clients[0].socket.protocol, 'chat')
      for (const [index, client] of clients.entries()) {
        t.equal(client.response.headers['x-ws-operator-upstream-host'], pods[index]?.name, 'each on their own pod')
        await echoes(client, `hello ${index}`)
        client.send(Buffer.from([0, 1, 2, 255]))
        await waitFor(() => client.messages.some(({ binary }) => binary), 'binary comes back')
        client.socket.ping('?')
      }
      await talk(t, users, clients, 200)
      t.strictSame(
        pods.map(({ app, requests }) => [app.handshakes.length, requests]),
        [
          [1, []],
          [1, []],
        ],
        'the apps saw one connection each, and nothing of the sidecars',
      )

      clients[0].socket.close(4001, 'bye')
      t.strictSame(await clients[0].closed, { code: 4001, reason: 'bye' }, 'the client’s end')
      for (const socket of pods[1]!.app.server.clients) socket.close(4002, 'enough')
      t.strictSame(await clients[1].closed, { code: 4002, reason: 'enough' }, 'the app’s end')
      for (const program of [balancer, ...pods.map(({ sidecar }) => sidecar)]) {
        program.child.kill('SIGTERM')
        t.strictSame(await program.exited, { code: 0, signal: null })
      }
    },
  )
}

/** A pod is taken away as Kubernetes does it: off the list, then SIGTERM. */
async function leave({ pods, members }: Setting, leaving: number): Promise<void> {
  await members.set(...pods.filter((_, index) => index !== leaving).map(({ name }) => name))
  pods[leaving]?.sidecar.child.kill('SIGTERM')
  await pods[leaving]?.sidecar.exited
}

t.test('a new balancer keeps the client of an old sidecar that ends', { skip }, async t => {
  const setting = await start(t, 'new', ['old', 'new'])
  const [alice, bob] = setting.users
  const clients = [
    await connect(t, setting.balancer.port, { user: alice }),
    await connect(t, setting.balancer.port, { user: bob }),
  ] as const
  for (const client of clients) await echoes(client, 'before')
  await leave(setting, 0)
  for (const client of clients) await echoes(client, 'after')
  await talk(t, setting.users, clients, 20)
})

t.test('behind an old balancer the client of a sidecar that ends is told to come again', { skip }, async t => {
  const setting = await start(t, 'old', ['new', 'new'])
  const [alice] = setting.users
  const client = await connect(t, setting.balancer.port, { user: alice })
  await echoes(client, 'before')
  await leave(setting, 0)
  t.match(await client.closed, { code: 1012 })
  const again = await connect(t, setting.balancer.port, { user: alice })
  await echoes(again, 'after')
  t.equal(again.response.headers['x-ws-operator-upstream-host'], setting.pods[1]?.name)
})
