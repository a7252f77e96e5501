import t from 'tap'
import { buildAdmin } from '../../../lib/service/health.ts'
import { Metrics } from '../../../lib/service/metrics.ts'

t.test('healthz answers as long as the process does', async t => {
  const admin = buildAdmin(new Metrics(), () => 'not yet')
  const response = await admin.inject('/healthz')
  t.equal(response.statusCode, 200)
  t.equal(response.body, 'ok\n')
})

t.test('readyz says why it is not ready, as of now', async t => {
  let reason: string | undefined = 'no member is known'
  const admin = buildAdmin(new Metrics(), () => reason)
  const before = await admin.inject('/readyz')
  t.equal(before.statusCode, 503)
  t.equal(before.body, 'no member is known\n')
  reason = undefined
  const after = await admin.inject('/readyz')
  t.equal(after.statusCode, 200)
  t.equal(after.body, 'ready\n')
})

t.test('metrics are in the text format of Prometheus', async t => {
  const metrics = new Metrics()
  metrics.counter('tests_total', 'Tests.', { labelNames: ['kind'] }).inc({ kind: 'unit' }, 2)
  const response = await buildAdmin(metrics, () => undefined).inject('/metrics')
  t.equal(response.statusCode, 200)
  t.match(response.headers['content-type'], /^text\/plain; version=/)
  t.match(response.body, '# TYPE ws_operator_tests_total counter\nws_operator_tests_total{kind="unit"} 2\n')
})

t.test('nothing else is there', async t => {
  t.equal((await buildAdmin(new Metrics(), () => undefined).inject('/')).statusCode, 404)
})
