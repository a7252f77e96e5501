import t from 'tap'
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
