import type { AddressInfo } from 'node:net'
import t from 'tap'
import { loadBalancerConfig } from '../../../balancer/config.ts'
import { createServer } from '../../../lib/proxy/server.ts'
import { createLogger } from '../../../lib/service/log/log.ts'
import { ask, startHttp } from '../../helpers/plain.ts'
import { startStack } from '../../helpers/stack.ts'

t.test('each limit that may be set can be used, and Node sets none that nobody has asked for', async t => {
  const app = await startHttp(t, (_request, response) => response.end('ok'))
  const { balancer } = await startStack(t, [app], { balancer: { HANDSHAKE_TIMEOUT_MS: 600_000 } })
  t.match(await ask(balancer.port, { headers: { Connection: 'keep-alive' } }), {
    status: 200,
    headers: { 'keep-alive': 'timeout=75' },
  })
  t.match(balancer.service.app.server, { headersTimeout: 600_000, requestTimeout: 0 })
})

t.test("Fastify's faults reach the program's log; requests, which may carry a token, and addresses do not", async t => {
  const lines: string[] = []
  const log = createLogger('balancer', 'one', 'trace', { write: line => void lines.push(line) })
  const app = createServer(loadBalancerConfig({ WS_OPERATOR_MEMBERS: '127.0.0.1:1' }), log, {
    takeRequest: () => false,
    mayUpgrade: () => false,
  })
  app.get('/fine', async () => 'ok')
  app.get('/twice', async (_request, reply) => {
    await reply.send('once')
    return reply.send('again')
  })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  for (const path of ['/fine', '/fine?token=secret', '/nowhere']) await ask(port, { path })
  t.strictSame(lines, [])
  await ask(port, { path: '/twice' })
  t.match(JSON.parse(lines[0] ?? '{}'), { level: 'warn', component: 'balancer', instance: 'one' })
  t.equal(lines.length, 1)
})
