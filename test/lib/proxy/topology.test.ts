import { once } from 'node:events'
import { createServer } from 'node:net'
import t from 'tap'
import { topologyOf } from '../../../lib/proxy/topology.ts'
import { TOPOLOGY_HEADERS } from '../../../lib/service/names.ts'
import { startApp } from '../../helpers/app.ts'
import { connect, refusal } from '../../helpers/client.ts'
import { ask } from '../../helpers/plain.ts'
import {
  EXPOSED,
  freePort,
  membersFile,
  type Running,
  type Scope,
  startSidecar,
  startStack,
} from '../../helpers/stack.ts'

/** All that a client has seen of one answer: names and values of its headers, and its body. */
interface Seen {
  readonly what: string
  readonly status: number | undefined
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body?: string
}

const NOTHING = { balancer: {}, sidecar: {} }

/** An app that takes connections and says nothing. */
async function startSilent(t: Scope): Promise<{ port: number }> {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  return silent.address() as { port: number }
}

/** What a client gets from the balancer and from a sidecar, for a handshake and a plain request each. */
async function answers(
  t: Scope,
  app: { port: number } | undefined,
  env: typeof NOTHING | typeof EXPOSED,
): Promise<{ seen: Seen[]; programs: Running[] }> {
  const short = { HANDSHAKE_TIMEOUT_MS: 50, PLAIN_HTTP_TIMEOUT_MS: 50 }
  const { balancer, sidecars } = await startStack(t, app ? [app] : [], {
    balancer: env.balancer,
    sidecar: { ...short, ...env.sidecar },
  })
  const programs = [balancer, ...sidecars]
  const seen: Seen[] = []
  for (const { port, name } of programs) {
    seen.push({ what: `${name} handshake`, ...(await refusal(t, port, { user: 'ann' })) })
    seen.push({ what: `${name} plain`, ...(await ask(port, { headers: { 'ws-user-id': 'ann' } })) })
  }
  return { seen, programs }
}

/** Names and addresses of programs, the app's port, and what the system says of a failed connection. */
const telling = (programs: readonly Running[], app: { port: number } | undefined) =>
  new RegExp(
    [
      '127\\.0\\.0\\.1',
      'ECONN',
      '\\d+ ms',
      ...programs.flatMap(({ port }) => [`(?:sidecar|balancer)-${port}`, String(port)]),
      ...(app ? [String(app.port)] : []),
    ].join('|'),
  )

const textOf = ({ headers, body }: Seen): string => `${JSON.stringify(headers)}\n${body ?? ''}`

const FAILURES: [status: number, app: (t: Scope) => Promise<{ port: number } | undefined>][] = [
  [502, async () => ({ port: await freePort() })],
  [503, async () => undefined],
  [504, startSilent],
]

for (const [status, start] of FAILURES) {
  t.test(`${status}: a client is told the error's code, and nothing of pods, addresses and details`, async t => {
    const app = await start(t)
    const { seen, programs } = await answers(t, app, NOTHING)
    for (const answer of seen) {
      t.match(answer, { status, headers: { 'x-ws-operator-error': /^WSO_ERR_/ } }, answer.what)
      t.notMatch(textOf(answer), telling(programs, app), answer.what)
      t.notOk(
        Object.keys(answer.headers).some(header => TOPOLOGY_HEADERS.has(header)),
        answer.what,
      )
    }
    const [line] = programs.at(-1)!.logs.filter(({ msg }) => msg === 'request failed')
    t.match(line, { code: /^WSO_ERR_/, reason: /./, path: '/', ...(app && { upstream: `127.0.0.1:${app.port}` }) })
  })

  t.test(`${status}: where it is exposed, a client is told`, async t => {
    const app = await start(t)
    const { seen, programs } = await answers(t, app, EXPOSED)
    const [balancer, sidecar] = programs
    for (const answer of seen) {
      t.equal(answer.status, status, answer.what)
      const isDirect = sidecar && answer.what.startsWith(sidecar.name)
      if (!isDirect) t.equal(answer.headers['x-ws-operator-proxy-instance'], `balancer-${balancer?.port}`, answer.what)
      if (!sidecar) continue
      t.equal(answer.headers['x-ws-operator-instance'], `sidecar-${sidecar.port}`, answer.what)
      if (!isDirect) t.equal(answer.headers['x-ws-operator-upstream-host'], sidecar.name, answer.what)
      t.match(JSON.parse(answer.body ?? ''), { upstream: `127.0.0.1:${app?.port}`, message: /ECONNREFUSED|50 ms/ })
    }
  })
}

t.test('101 and plain answers name nobody; what an app says under other names passes', async t => {
  const app = await startApp(t)
  const own = { server: 'of-the-app', via: '1.1 of-the-app' }
  app.server.on('headers', lines => lines.push('Server: of-the-app', 'Via: 1.1 of-the-app'))
  app.http.on('request', (_request, response) => response.writeHead(200, own).end('hello'))
  for (const env of [NOTHING, EXPOSED]) {
    const { balancer, sidecars } = await startStack(t, [app], env)
    const [sidecar] = sidecars as [Running]
    for (const { port, name } of [balancer, sidecar]) {
      const { response } = await connect(t, port, { user: 'ann' })
      const { headers } = await ask(port, { headers: { 'ws-user-id': 'ann' } })
      for (const [what, got] of [
        ['101', response.headers],
        ['200', headers],
      ] as const) {
        t.match(got, own, `${name}: ${what}`)
        if (env === NOTHING) t.notMatch(JSON.stringify(got), telling([balancer, sidecar], app), `${name}: ${what}`)
        else t.equal(got['x-ws-operator-instance'], `sidecar-${sidecar.port}`, `${name}: ${what}`)
        if (env === EXPOSED && name === balancer.name)
          t.match(got, {
            'x-ws-operator-proxy-instance': `balancer-${balancer.port}`,
            'x-ws-operator-upstream-host': sidecar.name,
          })
      }
    }
  }
})

t.test('a balancer hides what sidecars say: older ones always do', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app], { balancer: {}, sidecar: EXPOSED.sidecar })
  const { response } = await connect(t, balancer.port, { user: 'ann' })
  t.notOk(Object.keys(response.headers).some(header => TOPOLOGY_HEADERS.has(header)))
  app.http.on('request', (_request, response) => response.end('hello'))
  const { headers } = await ask(balancer.port)
  t.notOk(Object.keys(headers).some(header => TOPOLOGY_HEADERS.has(header)))
})

t.test('close frames and answers of an ending program name nobody', async t => {
  const app = await startApp(t)
  const members = await membersFile()
  const sidecar = await startSidecar(t, app.port, members)
  const client = await connect(t, sidecar.port, { user: 'ann' })
  await sidecar.service.drain(Date.now() + 1000)
  const { code, reason } = await client.closed
  t.equal(code, 1012)
  t.notMatch(reason, telling([sidecar], app))
})

t.test('logs know a connection by the same id in balancer and sidecar', async t => {
  const app = await startApp(t)
  const { balancer, sidecars } = await startStack(t, [app])
  await connect(t, balancer.port, { user: 'ann' })
  const ids = [balancer, ...sidecars].map(({ logs }) => logs.find(({ msg }) => msg === 'connected')?.['connection'])
  t.match(ids[0], /^[0-9a-f]{32}$/)
  t.equal(ids[0], ids[1])
})

t.test('the setting decides what is hidden', async t => {
  const own = { 'x-ws-operator-instance': 'chat-abc' }
  t.match(topologyOf({ EXPOSE_TOPOLOGY: false }, own), { isExposed: false, hidden: TOPOLOGY_HEADERS, own: {} })
  t.match(topologyOf({ EXPOSE_TOPOLOGY: true }, own), { isExposed: true, hidden: new Set(), own })
})
