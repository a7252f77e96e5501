import t, { type Test } from 'tap'
import type { ServerOptions } from 'ws'
import { balancerObjects } from '../../hooks/composite/children/balancer-objects.ts'
import { balancerObject } from '../../hooks/decorator/attachments.ts'
import { planSidecar } from '../../hooks/decorator/plan-sidecar.ts'
import type { DecoratorRequest } from '../../hooks/requests/schemas.ts'
import { containerEnv } from '../../local/processes/environment.ts'
import { type App, startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { ask } from '../helpers/plain.ts'
import { startProgram } from '../helpers/process.ts'
import { membersFile } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { config, recorded } from '../hooks/helper.ts'

/** What a client is refused by default, and what an annotation does about it: with the environment that the hooks write, in real processes. */

t.setTimeout(300_000)

type Containers = Parameters<typeof containerEnv>[0][]

/** What this machine decides instead of a cluster: addresses, ports and where members come from. */
const HERE = /^WS_OPERATOR_(HOST|PORT|ADMIN_HOST|ADMIN_PORT|SELF|DISCOVERY|SERVICE|SRV_DNS_RECORD|APP_PORT)$/

/** The environments that a Deployment with these annotations gets, without prefix. */
function environments(annotations: Readonly<Record<string, string>>) {
  const { object } = recorded<DecoratorRequest>('decorator-sync-first')
  object.metadata.annotations = Object.fromEntries(
    Object.entries(annotations).map(([name, text]) => [`ws.operator/${name}`, text]),
  )
  const planned = planSidecar(object, config)
  if (!planned.ok) throw new Error(planned.message)
  const { metadata, spec } = balancerObject(object, planned.plan, 'v-a-b')
  const deployment = balancerObjects(metadata, spec, config).find(({ kind }) => kind === 'Deployment')
  const { containers } = (deployment as unknown as { spec: { template: { spec: { containers: Containers } } } }).spec
    .template.spec
  const pod = { name: 'chat-abc', namespace: 'default', ip: '127.0.0.1' }
  const read = (container: Containers[number]) =>
    Object.fromEntries(
      Object.entries(containerEnv(container, pod))
        .filter(([name]) => name.startsWith('WS_OPERATOR_') && !HERE.test(name))
        .map(([name, value]) => [name.replace('WS_OPERATOR_', ''), value]),
    )
  return { sidecar: read(planned.plan.sidecar), balancer: read(containers[0]!) }
}

/** The app behind sidecar and balancer of a Deployment with these annotations. @returns the balancer's port */
async function serve(t: Test, app: App, annotations: Readonly<Record<string, string>> = {}): Promise<number> {
  const { sidecar, balancer } = environments(annotations)
  const members = await membersFile('127.0.0.1:1')
  const here = { DISCOVERY: 'file', MEMBERS_FILE: members.path }
  const own = { APP_PORT: app.port, SELF: '127.0.0.1:1' }
  const { port } = await startProgram(t, 'sidecar', { ...sidecar, ...here, ...own })
  await members.set(`127.0.0.1:${port}`)
  return (await startProgram(t, 'balancer', { ...balancer, ...here, WORKERS: 1 })).port
}

/** By default, and with the annotations that cure it. */
async function both(t: Test, app: App, annotations: Readonly<Record<string, string>>) {
  const [usual, cured] = await Promise.all([serve(t, app), serve(t, app, annotations)])
  return { usual, cured }
}

const user = 'alice'
const LONG = 'x'.repeat(20_000)

t.test('431, a head that is too long: max-header-bytes', async t => {
  const app = await startApp(t)
  // Node's own limit is that of ours; it is read for each connection.
  Object.assign(app.http, { maxHeaderSize: 65_536 })
  app.http.on('request', (_request, response) => response.end('ok'))
  const { usual, cured } = await both(t, app, { 'max-header-bytes': '32768' })
  const headers = { cookie: `session=${LONG}` }
  t.equal((await refusal(t, usual, { user, headers })).status, 431)
  t.equal((await ask(usual, { headers })).status, 431)
  await connect(t, cured, { user, headers })
  t.equal(app.handshakes.at(-1)?.headers.cookie, headers.cookie)
  t.match(await ask(cured, { headers }), { status: 200, body: 'ok' })
})

t.test("502, the head of the app's answer is too long: max-header-bytes", async t => {
  const app = await startApp(t)
  app.http.on('request', (_request, response) => response.setHeader('set-cookie', `session=${LONG}`).end('ok'))
  app.server.on('headers', headers => headers.push(`Set-Cookie: session=${LONG}`))
  // Node's client has a limit of its own.
  const maxHeaderSize = 65_536
  const { usual, cured } = await both(t, app, { 'max-header-bytes': '32768' })
  const refused = await refusal(t, usual, { user })
  t.match(refused, { status: 502, body: /WSO_ERR_UPSTREAM_FAILED/ })
  t.match(await ask(usual), { status: 502, body: /WSO_ERR_UPSTREAM_FAILED/ })
  const { response } = await connect(t, cured, { user, maxHeaderSize } as object)
  t.strictSame(response.headers['set-cookie'], [`session=${LONG}`])
  t.match(await ask(cured, { maxHeaderSize } as object), { status: 200, body: 'ok' })
})

t.test('504, an app that is slow with the handshake: handshake-timeout-ms', async t => {
  const waiting: (() => void)[] = []
  const slow: ServerOptions = { verifyClient: (_info, answer) => waiting.push(() => answer(true)) }
  const app = await startApp(t, { options: slow })
  const { usual, cured } = await both(t, app, { 'handshake-timeout-ms': '120000' })
  const patient = connect(t, cured, { user })
  await waitFor(() => waiting.length === 1, 'the app has the handshake of the patient one')
  t.match(await refusal(t, usual, { user }), { status: 504, body: /WSO_ERR_UPSTREAM_TIMEOUT/ })
  for (const answer of waiting) answer()
  await patient
})

t.test('504, an app that is slow with a plain request: plain-http-timeout-ms', async t => {
  const waiting: (() => void)[] = []
  const app = await startApp(t)
  app.http.on('request', (_request, response) => waiting.push(() => response.end('ok')))
  // The default is a minute: here the annotation makes it shorter.
  const { usual, cured: hasty } = await both(t, app, { 'plain-http-timeout-ms': '500' })
  const patient = ask(usual)
  await waitFor(() => waiting.length === 1, 'the app has the request of the patient one')
  t.match(await ask(hasty), { status: 504, body: /WSO_ERR_UPSTREAM_TIMEOUT/ })
  for (const answer of waiting) answer()
  t.match(await patient, { status: 200, body: 'ok' })
})

t.test('1009, a message that is too large: max-payload-bytes', async t => {
  const app = await startApp(t, { options: { maxPayload: 0 } })
  const { usual, cured } = await both(t, app, { 'max-payload-bytes': '33554432' })
  const large = Buffer.alloc(16_777_217, 'x')
  const refused = await connect(t, usual, { user })
  refused.socket.on('error', () => {})
  refused.send(large)
  t.match(await refused.closed, { code: 1009 })
  const client = await connect(t, cured, { user, maxPayload: 0 })
  client.send(large)
  await client.received(1)
  t.ok(client.messages[0]?.data.equals(large), 'it comes back as it went')
})
