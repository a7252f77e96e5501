import t from 'tap'
import { loadBalancerConfig } from '../../balancer/config.ts'

const load = (env: Record<string, string>) => () => loadBalancerConfig({ WS_OPERATOR_MEMBERS: 'a:1', ...env })

t.test('who is not asked before it is given up would be given up whenever it is quiet', async t => {
  for (const side of ['CLIENT', 'UPSTREAM']) {
    const [ping, idle] = [`WS_OPERATOR_${side}_PING_SECONDS`, `WS_OPERATOR_${side}_IDLE_SECONDS`]
    for (const seconds of ['0', '20', '21'])
      t.throws(load({ [ping]: seconds, [idle]: '20' }), {
        message: `${ping} must be above 0 and below ${idle}, which is 20 (it is ${seconds})`,
      })
    t.doesNotThrow(load({ [ping]: '19', [idle]: '20' }))
    t.doesNotThrow(load({ [ping]: '0', [idle]: '0' }))
    t.doesNotThrow(load({ [ping]: '50', [idle]: '0' }))
  }
  t.throws(load({ WS_OPERATOR_CLIENT_PING_SECONDS: '0' }), 'of which one is by default')
})
