import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
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

interface Older {
  readonly name: string
  readonly commit: string
  /** Whether its balancer moves clients whose pod ends. */
  readonly movesClients: boolean
  /** Whether its sidecars and those of this version have links to each other, and announce users to each other. */
  readonly links: boolean
}

const OLDER: readonly Older[] = [
  // The last one whose sidecars and balancers knew no hand-over. Its app gets links of another sub-protocol than its own.
  {
    name: 'without hand-over',
    commit: 'f1ccc5b54284ee1414bccfa3bcd2dd069543e984',
    movesClients: false,
    links: false,
  },
  // It refuses links of another sub-protocol than its own.
  { name: '0.1.0', commit: 'bf74b57e970724b562fc27e7ab79034a7b993610', movesClients: true, links: true },
]

const root = fileURLToPath(new URL('../..', import.meta.url))

/** An older version's sources, in `folder`; why they are not there, if so. */
function unpack(commit: string, folder: string): string | false {
  try {
    execFileSync('git', ['cat-file', '-e', `${commit}^{commit}`], { cwd: root, stdio: 'ignore' })
  } catch {
    return `commit ${commit} is not here: not a clone, or a shallow one`
  }
  const archive = execFileSync('git', ['archive', commit], { cwd: root, maxBuffer: 2 ** 28 })
  mkdirSync(folder)
  execFileSync('tar', ['-x', '-C', folder], { input: archive })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return false
}

// Two builds, and 24 processes one after the other, on a machine that runs other things too.
t.setTimeout(300_000)

const folder = mkdtempSync(join(tmpdir(), 'ws-operator-old-'))
t.teardown(() => rmSync(folder, { recursive: true }))
// This version's programs start as fast as the older ones only as bundles.
const newPrograms = join(folder, 'new')
await buildAll(newPrograms)

type Version = 'old' | 'new'
type Program = 'sidecar' | 'balancer'

/** Builds an older version by its own script; the folder of its programs. */
function build({ name, commit }: Older): { programs: string; skip: string | false } {
  const sources = join(folder, name)
  const skip = unpack(commit, sources)
  if (!skip) execFileSync(process.execPath, [join(sources, 'scripts/build.ts')], { stdio: 'ignore' })
  return { programs: join(sources, 'dist'), skip }
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

async function start(
  t: Test,
  oldPrograms: string,
  balancerVersion: Version,
  versions: readonly [Version, Version],
  more: Record<string, string> = { DELIVER: 'app' },
): Promise<Setting> {
  const mainOf = (version: Version, program: Program) =>
    join(version === 'old' ? oldPrograms : newPrograms, `${program}.js`)
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
    startProgram(
      t,
      'balancer',
      { ...discovery, REHOME: 'transparent', WORKERS: 1, SHUTDOWN_SECONDS: 2, EXPOSE_TOPOLOGY: 'true' },
      mainOf(balancerVersion, 'balancer'),
    ),
    ...versions.map(startPod),
  ])
  await members.set(...pods.map(({ name }) => name))
  const set = MemberSet.of(pods.map(({ name }) => parseMember(name)))
  const ownerOf = (user: string) => pods.findIndex(({ name }) => name === set.owner(user)?.name)
  const users = [userOn(ownerOf, 0), userOn(ownerOf, 1)] as const
  for (const program of [...pods.map(({ sidecar }) => sidecar), balancer]) await knows(program, 2)
  return { pods, balancer, members, users }
}

/** Whether the metrics of a program have this line. */
async function says({ adminPort }: ProgramProcess, line: string): Promise<boolean> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  return text.split('\n').includes(line)
}

/** Waits until a program has so many members in its list. */
async function knows(program: ProgramProcess, count: number): Promise<void> {
  await waitFor(() => says(program, `ws_operator_members ${count}`), `${count} members are known`)
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

for (const older of OLDER) {
  const { name } = older
  const { programs, skip } = build(older)
  for (const [balancerVersion, versions] of MIXES) {
    t.test(`${name}: ${balancerVersion} balancer, ${versions.join(' and ')} sidecar`, { skip }, async t => {
      const { pods, balancer, members, users } = await start(t, programs, balancerVersion, versions)
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
      const links = older.links || !versions.includes('old') || !versions.includes('new') ? 1 : 0
      for (const { sidecar } of pods) t.ok(await says(sidecar, `ws_operator_links ${links}`), 'links')

      // A pod is taken away as Kubernetes does it: off the list, then SIGTERM.
      await members.set(pods[1]!.name)
      pods[0]?.sidecar.child.kill('SIGTERM')
      t.strictSame(await pods[0]?.sidecar.exited, { code: 0, signal: null })
      let alices = first
      if (balancerVersion === 'old' && !older.movesClients) {
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

  t.test(
    `${name}: a sidecar that knows no deliver: sender takes no such message, and the sender learns it`,
    { skip },
    async t => {
      const { pods, balancer, users } = await start(t, programs, 'new', ['new', 'old'], { RECEIPTS: 'true' })
      const [alice, bob] = users
      const first = await connect(t, balancer.port, { user: alice })
      const second = await connect(t, balancer.port, { user: bob })
      first.send(JSON.stringify({ recipientId: bob, text: 'as alice', id: 1 }))
      await first.received(1)
      t.match(JSON.parse(first.texts[0] ?? ''), { outcome: 'rejected', id: 1 })
      t.ok(await says(pods[0]!.sidecar, 'ws_operator_messages_routed_total{outcome="rejected"} 1'), 'it is counted')
      t.strictSame(pods[1]?.app.received, [], 'nor does its app get it as somebody else’s')
      second.send(JSON.stringify({ recipientId: alice, text: 'as the older one delivers' }))
      await waitFor(() => pods[0]?.app.received.length === 1, 'the other way it arrives')
      t.equal(pods[0]?.app.received[0]?.user, alice)
    },
  )
}
