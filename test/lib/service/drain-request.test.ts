import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { drainCommand } from '../../../lib/service/drain-request.ts'
import { buildAdmin } from '../../../lib/service/http/health.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { waitFor } from '../../helpers/wait.ts'

/** The environment of a program that answers like this. */
async function environment(t: Test, answer: RequestListener, host = '127.0.0.1') {
  const server = createServer(answer)
  await once(server.listen(0, host), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { WS_OPERATOR_ADMIN_PORT: String((server.address() as AddressInfo).port) }
}

/** The environment of an admin server of ours, with this hand-over. */
async function admin(t: Test, handOver?: () => Promise<string>, host = '127.0.0.1') {
  const app = buildAdmin(new Metrics(), () => undefined, handOver)
  await app.listen({ host, port: 0 })
  t.teardown(() => app.close())
  return { WS_OPERATOR_ADMIN_PORT: String((app.server.address() as AddressInfo).port) }
}

t.test('it begins the hand-over, waits for it and says what came of it', async t => {
  const { promise, resolve } = Promise.withResolvers<string>()
  const begun = Promise.withResolvers<void>()
  const env = await admin(t, () => {
    begun.resolve()
    return promise
  })
  let said: string | undefined
  const command = drainCommand(env, 10_000).then(line => (said = line))
  await begun.promise
  t.equal(said, undefined)
  resolve('3 of 3 were handed over')
  t.equal(await command, '200: 3 of 3 were handed over')
})

t.test('what is refused or has failed is said too', async t => {
  const failing = await admin(t, async () => {
    throw new Error('nobody takes it')
  })
  t.equal(await drainCommand(failing, 1000), '500: the hand-over failed: nobody takes it')
  t.match(await drainCommand(await admin(t), 1000), /^404: /, 'a program that has none')
})

t.test('nobody answers', async t => {
  const env = await environment(t, () => {})
  const other = createServer()
  await once(other.listen(0, '127.0.0.1'), 'listening')
  const { port } = other.address() as AddressInfo
  other.close()
  await once(other, 'close')
  const refused = await drainCommand({ ...env, WS_OPERATOR_ADMIN_PORT: String(port) }, 1000)
  t.match(refused, new RegExp(`^nothing was handed over: 127.0.0.1:${port}: .*ECONNREFUSED`))
})

t.test('it waits no longer than it may', async t => {
  const cut: string[] = []
  const env = await environment(t, ({ socket }) => {
    socket.once('close', () => cut.push('its connection is closed'))
  })
  const said = await drainCommand(env, 0)
  t.match(said, /: no answer within 2000 ms$/, 'its own limit has ended it')
  await waitFor(() => cut.length === 1, 'it does not wait on')
})

t.test('it waits as long as it may, also for longer than Node would', async t => {
  const env = await environment(t, (_request, response) => setTimeout(() => response.end('done'), 5500))
  t.equal(await drainCommand(env, 10_000), '200: done')
})

t.test('a program that ends meanwhile ends the waiting', async t => {
  const cut = await environment(t, request => request.socket.destroy())
  t.match(await drainCommand(cut, 60_000), 'socket hang up')
  const half = await environment(t, (request, response) => {
    response.writeHead(200, { 'content-length': '100' }).write('half of', () => request.socket.destroy())
  })
  t.equal(await drainCommand(half, 60_000), '200: half of')
})

t.test('it asks where the admin server listens', async t => {
  for (const [listens, setting] of [
    ['127.0.0.1', ''],
    ['0.0.0.0', '0.0.0.0'],
    ['127.0.0.1', '127.0.0.1'],
    // Others than Linux have just one address on their loopback.
    ...(process.platform === 'linux' ? [['127.0.0.9', '127.0.0.9'] as const] : []),
  ] as const) {
    const env = await admin(t, async () => 'done', listens)
    t.equal(await drainCommand({ ...env, WS_OPERATOR_ADMIN_HOST: setting }, 1000), '200: done', `"${setting}"`)
  }
  const unset = await admin(t, async () => 'done')
  t.equal(await drainCommand(unset, 1000), '200: done')
})

t.test('it asks with a POST request for the path of hand-overs', async t => {
  const asked: unknown[] = []
  const env = await environment(t, ({ method, url }, response) => {
    asked.push([method, url])
    response.end('done')
  })
  t.equal(await drainCommand(env, 1000), '200: done')
  t.strictSame(asked, [['POST', '/drain']])
})
