import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { ask, askRaw, startHttp, startTcp } from '../helpers/plain.ts'
import { type ProgramProcess, startProgram } from '../helpers/process.ts'
import { membersFile, startBalancer, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { echoes } from '../helpers/workers.ts'

t.setTimeout(300_000)

/** Opens connections and does something on each; those that the server ends are left. */
async function open(t: Test, port: number, count: number, text: string): Promise<Socket[]> {
  const sockets: Socket[] = []
  for (let n = 0; n < count; n++) {
    const socket = connectTcp(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    await Promise.race([once(socket, 'connect'), once(socket, 'close')])
    socket.write(text)
    sockets.push(socket)
  }
  return sockets
}

const status = async ({ adminPort }: ProgramProcess, path: string) =>
  (await fetch(`http://127.0.0.1:${adminPort}${path}`, { headers: { connection: 'close' } })).status

const ATTACKS: [what: string, text: string][] = [
  ['half a head', 'GET / HTTP/1.1\r\nHost: x\r\n'],
  ['idle kept connections', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['slow bodies', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx'],
]

for (const [what, text] of ATTACKS) {
  t.test(`${what}, more than there are files: probes are answered, and clients that are there stay`, async t => {
    const app = await startApp(t)
    app.http.on('request', (request, response) => {
      if (request.method === 'GET') response.end('ok')
    })
    const settings = { MEMBERS: `127.0.0.1:${app.port}`, WORKERS: 1 }
    const program = await startProgram(t, 'balancer', settings, undefined, 300)
    const client = await connect(t, program.port, { user: 'alice' })
    await open(t, program.port, 400, text)
    for (const path of ['/healthz', '/readyz', '/metrics']) t.equal(await status(program, path), 200, path)
    await open(t, program.adminPort, 400, text)
    for (const path of ['/healthz', '/readyz', '/metrics']) t.equal(await status(program, path), 200, path)
    await echoes(client, 'still there')
    const metrics = await (await fetch(`http://127.0.0.1:${program.adminPort}/metrics`)).text()
    const shed = [...metrics.matchAll(/plain_connections_shed_total\{reason="(\w+)"\} (\d+)/g)]
    t.ok(
      shed.reduce((sum, [, , count]) => sum + Number(count), 0) >= 400 - 86,
      `counted: ${shed.map(([line]) => line)}`,
    )
  })
}

t.test('more requests at once than have a place: 503, and idle connections make room', async t => {
  const waiting: (() => void)[] = []
  const app = await startHttp(t, (_request, response) => waiting.push(() => response.end('ok')))
  const { balancer } = await startStack(t, [app], { balancer: { MAX_PLAIN_CONNECTIONS: 4 } })
  const answers = [1, 2, 3].map(() => ask(balancer.port))
  await waitFor(() => waiting.length === 3, 'they are under way')
  t.match(await ask(balancer.port), { status: 503, headers: { 'retry-after': '1' }, body: /WSO_ERR_FULL/ })
  t.equal(await balancer.metric('plain_connections_shed_total', { reason: 'busy' }), 1)
  for (const answer of waiting) answer()
  for (const answer of await Promise.all(answers)) t.match(answer, { status: 200, body: 'ok' })
})

t.test('a body that comes too slowly: 408', async t => {
  const app = await startHttp(t, (request, response) => request.resume().on('end', () => response.end('ok')))
  const { balancer } = await startStack(t, [app], {
    balancer: { PLAIN_HTTP_TIMEOUT_MS: 500, MIN_BODY_BYTES_PER_SECOND: 100 },
    sidecar: { MIN_BODY_BYTES_PER_SECOND: 0, PLAIN_HTTP_TIMEOUT_MS: 60_000 },
  })
  const slow = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx'
  t.match(await askRaw(t, balancer.port, slow), /^HTTP\/1\.1 408 [\s\S]*WSO_ERR_SLOW_BODY/)
  t.equal(await balancer.metric('plain_connections_shed_total', { reason: 'slow_body' }), 1)
  await waitFor(
    async () => (await balancer.metric('plain_requests_total', { result: 'failed' })) === 1,
    'it is counted',
  )
  t.equal(await balancer.metric('plain_requests_total', { result: 'passed' }), 0, 'the answer was ours')
})

t.test('a body that the app does not read is not blamed on its client: 504, not 408', async t => {
  const app = await startHttp(t, request => request.pause())
  const { balancer } = await startStack(t, [app], {
    balancer: { PLAIN_HTTP_TIMEOUT_MS: 500, MIN_BODY_BYTES_PER_SECOND: 100 },
    sidecar: { MIN_BODY_BYTES_PER_SECOND: 0, PLAIN_HTTP_TIMEOUT_MS: 60_000 },
  })
  // More than all that takes a body in on its way.
  const body = Buffer.alloc(64 * 1024 * 1024)
  t.match(await ask(balancer.port, { method: 'POST', body }), { status: 504, body: /WSO_ERR_UPSTREAM_TIMEOUT/ })
  t.equal(await balancer.metric('plain_connections_shed_total', { reason: 'slow_body' }), 0)
})

t.test('a handshake behind a request that has no answer yet: no byte of one is in the stream of the other', async t => {
  const waiting: (() => void)[] = []
  const app = await startApp(t)
  app.http.on('request', (request, response) => {
    if (request.url === '/slow') waiting.push(() => response.end('slow'))
    else response.end('plain')
  })
  const { balancer } = await startStack(t, [app])
  const socket = connectTcp(balancer.port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('data', chunk => (received += chunk))
  socket.write(
    'GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await waitFor(() => waiting.length === 1, 'the first is under way')
  t.equal(received, '')
  t.equal(app.handshakes.length, 0)
  for (const answer of waiting) answer()
  await waitFor(() => received.endsWith('plain'), 'both are answered, in turn')
  t.match(received, /^HTTP\/1\.1 200 [\s\S]*slowHTTP\/1\.1 200 [\s\S]*plain$/)
  t.equal(app.handshakes.length, 0)
})

for (const program of ['balancer', 'sidecar'] as const) {
  t.test(
    `${program}: requests by the thousand ahead of their answers end their connection, the app gets few`,
    async t => {
      let arrived = 0
      const app = await startHttp(t, () => arrived++)
      const { balancer, sidecars } = await startStack(t, [app])
      const { port, metric } = program === 'balancer' ? balancer : (sidecars[0] as typeof balancer)
      const sockets = await open(t, port, 10, 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(5000))
      await waitFor(
        async () => (await metric('plain_connections_shed_total', { reason: 'pipelined' })) === 10,
        'counted',
      )
      await waitFor(() => sockets.every(socket => socket.destroyed), 'they are ended')
      t.ok(arrived <= 160, `the app got ${arrived}`)
      await waitFor(async () => (await metric('memory_used_bytes', { kind: 'connections' })) === 0, 'nothing is kept')
    },
  )
}

t.test('requests by the thousand ahead of their answers at the admin port: it answers others', async t => {
  const app = await startApp(t)
  const program = await startProgram(t, 'balancer', { MEMBERS: `127.0.0.1:${app.port}`, WORKERS: 1 })
  const sockets = await open(t, program.adminPort, 3, 'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(5000))
  for (const socket of sockets) socket.resume()
  await waitFor(() => sockets.every(socket => socket.destroyed), 'they are ended')
  t.equal(await status(program, '/healthz'), 200)
})

const HANDSHAKE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
const HOLDERS: [what: string, head: string, answer: string | undefined][] = [
  ['downloads that are not read', 'GET / HTTP/1.1\r\nHost: x\r\n', 'HTTP/1.1 200 OK\r\n\r\n'],
  ['refusals that are not read', `GET / HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}`, 'HTTP/1.1 403 No\r\n\r\n'],
  ['uploads that the app does not read', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n', undefined],
  ['messages of a handshake that the app does not answer', `GET / HTTP/1.1\r\nHost: x\r\n${HANDSHAKE}`, undefined],
]

for (const [what, head, answer] of HOLDERS) {
  t.test(`memory is full: ${what} are ended, idle connections stay`, async t => {
    const app = await startTcp(t, socket => {
      socket.removeAllListeners('data').pause()
      if (answer === undefined) return
      const pour = () => {
        while (!socket.destroyed && socket.write(Buffer.alloc(65_536)));
      }
      socket.write(answer)
      socket.on('drain', pour)
      pour()
    })
    const members = await membersFile(`127.0.0.1:${app.port}`)
    // Two that hold much and eight others fill it, by what each connection counts.
    const isUpload = head.startsWith('POST')
    // What a body queues counts too.
    const balancer = await startBalancer(t, members, { MEMORY_BUDGET_BYTES: isUpload ? 300_000 : 200_000 })
    await waitFor(async () => (await balancer.metric('members')) === 1, 'the app is known')
    const holders = await open(t, balancer.port, 2, `${head}\r\n`)
    for (const socket of holders) {
      socket.pause()
      if (answer === undefined) socket.write(Buffer.alloc(16 << 20))
    }
    const idle = await open(t, balancer.port, 8, '')
    const ended = async () => (await balancer.metric('plain_connections_shed_total', { reason: 'memory' })) > 0
    await waitFor(ended, 'enough of them are ended')
    const left = idle.filter(socket => !socket.destroyed).length
    t.ok(left >= 4, `${left} idle ones are open`)
  })
}
