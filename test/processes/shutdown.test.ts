import { connect as connectTcp } from 'node:net'
import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'

const programs = {
  sidecar: (appPort: number) => ({ APP_PORT: appPort, SELF: '127.0.0.1:3000', MEMBERS: '127.0.0.1:3000' }),
  // A balancer before the app itself: to it any WebSocket server is a member.
  balancer: (appPort: number) => ({ MEMBERS: `127.0.0.1:${appPort}`, WORKERS: 1 }),
  'balancer with workers': (appPort: number) => ({ MEMBERS: `127.0.0.1:${appPort}`, WORKERS: 2 }),
}

for (const name of ['sidecar', 'balancer', 'balancer with workers'] as const) {
  const main = name === 'sidecar' ? 'sidecar' : 'balancer'
  t.test(`${name}: SIGTERM closes clients with 1012, the app with 1001, and ends with 0`, async t => {
    const ends: number[] = []
    const app = await startApp(t)
    app.server.on('connection', socket => socket.on('close', code => ends.push(code)))
    const program = await startProgram(t, main, programs[name](app.port))
    const clients = await Promise.all([1, 2, 3].map(n => connect(t, program.port, { user: `u${n}` })))
    t.equal((await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)).status, 200)
    program.child.kill('SIGTERM')
    for (const client of clients) t.strictSame(await client.closed, { code: 1012, reason: 'service restart' })
    t.strictSame(await program.exited, { code: 0, signal: null })
    await waitFor(() => ends.length === 3, 'the app sees its clients go')
    t.strictSame(ends, [1001, 1001, 1001])
  })

  t.test(`${name}: a client that does not answer the close does not keep it alive beyond its limit`, async t => {
    const app = await startApp(t)
    const program = await startProgram(t, main, { ...programs[name](app.port), SHUTDOWN_SECONDS: 1 })
    const mute = connectTcp(program.port, '127.0.0.1')
    t.teardown(() => mute.destroy())
    mute.write(
      'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    await waitFor(() => app.server.clients.size === 1, 'it is connected')
    const began = Date.now()
    program.child.kill('SIGTERM')
    t.strictSame(await program.exited, { code: 0, signal: null })
    t.ok(Date.now() - began < 5000, 'in about the second it was given')
  })

  t.test(`${name}: not ready, and no new handshakes, while it drains`, async t => {
    const app = await startApp(t)
    const program = await startProgram(t, main, { ...programs[name](app.port), SHUTDOWN_SECONDS: 30 })
    const mute = await connect(t, program.port, { user: 'mute' })
    // It keeps the drain waiting: its close frame is never answered.
    mute.socket.pause()
    program.child.kill('SIGTERM')
    await waitFor(
      async () => (await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)).status === 503,
      'it says so',
    )
    t.equal((await fetch(`http://127.0.0.1:${program.adminPort}/healthz`)).status, 200, 'and still lives')
    const { status, headers, body } = await refusal(t, program.port, { user: 'late' })
    t.equal(status, 503)
    t.equal(headers['retry-after'], '1')
    t.match(body, 'WSO_ERR_DRAINING')
    mute.socket.resume()
    t.strictSame(await program.exited, { code: 0, signal: null })
  })
}

t.test('the sidecar is ready only while its app accepts connections', async t => {
  const app = await startApp(t)
  const program = await startProgram(t, 'sidecar', programs.sidecar(app.port))
  const ready = async () => (await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)).status
  t.equal(await ready(), 200)
  const down = await startProgram(t, 'sidecar', programs.sidecar(1))
  const answer = await fetch(`http://127.0.0.1:${down.adminPort}/readyz`)
  t.equal(answer.status, 503)
  t.match(await answer.text(), 'the app does not accept connections on 127.0.0.1:1')
})

t.test('a balancer without members is not ready and says why', async t => {
  const program = await startProgram(t, 'balancer', { DISCOVERY: 'file', MEMBERS_FILE: '/nonexistent/members.json' })
  const answer = await fetch(`http://127.0.0.1:${program.adminPort}/readyz`)
  t.equal(answer.status, 503)
  t.match(await answer.text(), 'no member is known')
})

t.test('metrics name what the contract names', async t => {
  const app = await startApp(t)
  const program = await startProgram(t, 'sidecar', programs.sidecar(app.port))
  await connect(t, program.port, { user: 'alice' })
  const text = await (await fetch(`http://127.0.0.1:${program.adminPort}/metrics`)).text()
  for (const line of [
    'ws_operator_connections 1',
    'ws_operator_users 1',
    'ws_operator_upgrades_total{result="accepted"} 1',
    'ws_operator_messages_routed_total{outcome="delivered"} 0',
    'ws_operator_forward_duration_seconds_count 0',
    'ws_operator_members 1',
    'ws_operator_queue_bytes{side="client"} 0',
  ]) {
    t.match(text, line)
  }
  t.notMatch(text, 'alice', 'no user is in a label')
})
