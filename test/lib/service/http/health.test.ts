import t from 'tap'
import { buildAdmin } from '../../../../lib/service/http/health.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'
import { waitFor } from '../../../helpers/wait.ts'

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

/** An admin server of a program that hands over what it has when the test says so. */
function handingOver() {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let calls = 0
  const admin = buildAdmin(
    new Metrics(),
    () => undefined,
    () => {
      calls++
      return promise
    },
  )
  const drain = (remoteAddress: string) => admin.inject({ method: 'POST', url: '/drain', remoteAddress })
  return { admin, drain, resolve, reject, calls: () => calls }
}

t.test('a hand-over begins only for requests of the same pod', async t => {
  const { admin, drain, calls, resolve } = handingOver()
  for (const address of [
    '10.0.0.7',
    '192.168.127.1',
    '128.0.0.1',
    '12.7.0.1',
    '::',
    '::2',
    'fd00::127',
    '::ffff:10.127.0.1',
    'fe80::1',
    '::ffff:128.0.0.1',
    '127.0.0.6',
    '::ffff:127.0.0.6',
  ]) {
    const response = await drain(address)
    t.equal(response.statusCode, 403, address)
    t.equal(response.body, 'only from inside the pod\n')
  }
  t.equal(calls(), 0)
  t.equal((await admin.inject('/readyz')).statusCode, 200, 'and it is ready as before')
  resolve('done')
  for (const address of ['127.0.0.1', '::1', '::ffff:127.0.0.1']) {
    const response = await drain(address)
    t.equal(response.statusCode, 200, address)
    t.equal(response.body, 'done\n')
  }
  t.equal(calls(), 1, 'once for all')
})

t.test('it is not ready from the moment a hand-over begins', async t => {
  const { admin, drain, calls, resolve } = handingOver()
  const answers = [drain('127.0.0.1'), drain('127.0.0.1')]
  await waitFor(() => calls() === 1, 'it has begun')
  const { statusCode, body } = await admin.inject('/readyz')
  t.equal(statusCode, 503)
  t.equal(body, 'draining\n')
  resolve('done')
  for (const answer of answers) t.equal((await answer).body, 'done\n')
  t.equal(calls(), 1)
})

t.test('a hand-over that fails says why, to all who ask', async t => {
  const { drain, calls, reject } = handingOver()
  reject(new Error('nobody takes it'))
  for (let n = 0; n < 2; n++) {
    const { statusCode, body } = await drain('::1')
    t.equal(statusCode, 500)
    t.equal(body, 'the hand-over failed: nobody takes it\n')
  }
  t.equal(calls(), 1)
})

t.test('a hand-over is not a page to look at, and is there only for programs that have one', async t => {
  t.equal((await handingOver().admin.inject('/drain')).statusCode, 404)
  const without = buildAdmin(new Metrics(), () => undefined)
  t.equal((await without.inject({ method: 'POST', url: '/drain', remoteAddress: '127.0.0.1' })).statusCode, 404)
})

t.test('nothing else is there', async t => {
  t.equal((await buildAdmin(new Metrics(), () => undefined).inject('/')).statusCode, 404)
})
