import t from 'tap'
import { Metrics } from '../../lib/service/metrics.ts'
import { peerCheck } from '../../sidecar/peer-check.ts'

t.test('who is not let in is counted, by the reason', async t => {
  const metrics = new Metrics()
  const check = peerCheck({ TOKEN: 'good', TOKEN_REQUIRED: true, TARGET: 'team-a/chat' }, metrics)
  const refused = async () => {
    const found = await metrics.registry.getSingleMetric('ws_operator_peers_refused_total')?.get()
    return Object.fromEntries(found?.values.map(({ labels, value }) => [labels['reason'], value]) ?? [])
  }
  t.strictSame(await refused(), { no_token: 0, wrong_token: 0, wrong_target: 0 }, 'there from the beginning')
  const authorization = 'Bearer good'
  t.equal(await check({ headers: { authorization } }), true)
  t.equal(await check({ headers: { authorization, 'x-ws-operator-target': 'team-a/chat' } }), true)
  await t.rejects(check({ headers: {} }), { code: 'WSO_ERR_UNAUTHORIZED' })
  for (let n = 0; n < 2; n++)
    await t.rejects(check({ headers: { authorization: 'Bearer bad' } }), { code: 'WSO_ERR_UNAUTHORIZED' })
  const foreign = { authorization, 'x-ws-operator-target': 'team-b/shop' }
  await t.rejects(check({ headers: foreign }), { code: 'WSO_ERR_WRONG_TARGET' })
  t.strictSame(await refused(), { no_token: 1, wrong_token: 2, wrong_target: 1 })
})
