import { Readable } from 'node:stream'
import pino from 'pino'
import t from 'tap'
import { buildApp } from '../../hooks/app.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import { HOSTILE_EXPRESSIONS } from '../lib/routing/hostile-expressions.ts'
import { config, type Json, mergePatch, recorded, startHooks } from './helper.ts'

t.test('a request that is no request of Metacontroller: 400 that names the field', async t => {
  const { app, metrics } = await startHooks(t)
  const cases: [string, Json, RegExp][] = [
    ['/decorator/sync', {}, /'object'/],
    [
      '/decorator/sync',
      mergePatch(recorded('decorator-sync-first'), { object: { kind: 'StatefulSet' } }),
      /object\/kind/,
    ],
    ['/decorator/sync', mergePatch(recorded('decorator-sync-first'), { object: { metadata: { uid: null } } }), /'uid'/],
    [
      '/decorator/finalize',
      mergePatch(recorded('decorator-sync-first'), { object: { spec: { template: { spec: { containers: 'x' } } } } }),
      /object\/spec\/template\/spec\/containers must be array/,
    ],
    ['/composite/sync', mergePatch(recorded('composite-sync-first'), { children: null }), /'children'/],
    ['/composite/customize', { parent: 3 }, /parent must be object/],
    [
      '/composite/customize',
      mergePatch(recorded('composite-customize'), { parent: { kind: { toString: 1 } } }),
      /parent\/kind must be string/,
    ],
  ]
  for (const [url, payload, message] of cases) {
    const response = await app.inject({ method: 'POST', url, payload: payload as object })
    t.equal(response.statusCode, 400, url)
    t.match(response.json(), { statusCode: 400, code: 'WSO_ERR_BAD_REQUEST', message })
  }
  const broken = await app.inject({
    method: 'POST',
    url: '/decorator/sync',
    payload: '{"object":',
    headers: { 'content-type': 'application/json' },
  })
  t.match(broken.json(), { statusCode: 400, code: 'WSO_ERR_BAD_REQUEST' })
  t.match(
    await metrics.registry.metrics(),
    /ws_operator_hook_requests_total\{hook="\/decorator\/sync",outcome="bad_request"\} 4\n/,
  )
})

t.test('values are taken as they are, not converted', async t => {
  const { app } = await startHooks(t)
  const patch = { object: { spec: { template: { spec: { terminationGracePeriodSeconds: '30' } } } } }
  const payload = mergePatch(recorded('decorator-sync-first'), patch) as object
  t.equal((await app.inject({ method: 'POST', url: '/decorator/sync', payload })).statusCode, 400)
})

t.test('counts what hooks came to, and how long they took', async t => {
  const { app, metrics } = await startHooks(t)
  const post = (url: string, name: string) => app.inject({ method: 'POST', url, payload: recorded<object>(name) })
  await post('/decorator/sync', 'decorator-sync-first')
  await post('/decorator/sync', 'decorator-sync-settled')
  await post('/decorator/sync', 'decorator-sync-settled')
  await post('/composite/sync', 'composite-sync-first')
  const text = await metrics.registry.metrics()
  t.match(text, 'ws_operator_hook_requests_total{hook="/decorator/sync",outcome="pending"} 1\n')
  t.match(text, 'ws_operator_hook_requests_total{hook="/decorator/sync",outcome="pinned"} 2\n')
  t.match(text, 'ws_operator_hook_requests_total{hook="/composite/sync",outcome="not_ready"} 1\n')
  t.match(text, 'ws_operator_hook_duration_seconds_count{hook="/decorator/sync"} 3\n')
})

t.test("a tenant's expression does not stop the hooks", async t => {
  const { app } = await startHooks(t)
  const key = HOSTILE_EXPRESSIONS.map(source => `path:${source}`).join(',')
  const annotations = { 'ws.operator/routing-key': key }
  const deployment = mergePatch(recorded('decorator-sync-first'), { object: { metadata: { annotations } } }) as object
  const balancer = mergePatch(recorded('composite-sync-first'), { parent: { spec: { routing: { key } } } }) as object
  const post = (url: string, payload: object) => app.inject({ method: 'POST', url, payload })
  t.equal((await post('/decorator/sync', deployment)).statusCode, 200)
  t.equal((await post('/composite/sync', balancer)).statusCode, 200)
  t.equal((await post('/composite/customize', balancer)).statusCode, 200)
})

t.test('a large object is taken, an unknown path is not', async t => {
  const { app } = await startHooks(t)
  const patch = { object: { metadata: { annotations: { big: 'x'.repeat(3 * 1024 * 1024) } } } }
  const payload = mergePatch(recorded('decorator-sync-first'), patch) as object
  t.equal((await app.inject({ method: 'POST', url: '/decorator/sync', payload })).statusCode, 200)
  for (const url of ['/decorator/other', '/decorator/customize'])
    t.equal((await app.inject({ method: 'POST', url, payload: {} })).statusCode, 404, url)
})

t.test('what would cost too much is refused, counted and logged', async t => {
  const { write, lines } = collect()
  const metrics = new Metrics()
  const { app } = await buildApp(config, { log: pino({ level: 'warn' }, { write }), metrics })
  t.teardown(() => app.close())
  const post = (payload: string, headers = {}) =>
    app.inject({
      method: 'POST',
      url: '/decorator/sync',
      payload,
      headers: { 'content-type': 'application/json', ...headers },
    })
  const large = await post(`{"a":"${'x'.repeat(config.MAX_BODY_BYTES)}"}`)
  t.match(large.json(), { statusCode: 413, code: 'WSO_ERR_BODY_TOO_LARGE', message: /WS_OPERATOR_MAX_BODY_BYTES/ })
  t.equal(large.headers.connection, 'close')
  const chunked = await app.inject({
    method: 'POST',
    url: '/decorator/sync',
    payload: Readable.from(['{}']),
    headers: { 'content-type': 'application/json' },
  })
  t.match(chunked.json(), { statusCode: 411, code: 'WSO_ERR_LENGTH_REQUIRED' })
  for (const [text, message] of [
    [`${'['.repeat(300)}${']'.repeat(300)}`, /nested deeper than 256/],
    [`[${'{},'.repeat(300_000)}{}]`, /more than 250000 values/],
  ] as const) {
    t.match((await post(text)).json(), { statusCode: 400, code: 'WSO_ERR_BAD_REQUEST', message })
  }
  t.equal((await post('x', { 'content-type': 'text/plain' })).statusCode, 415)
  const counted = await metrics.registry.metrics()
  t.match(counted, 'ws_operator_hook_requests_total{hook="/decorator/sync",outcome="too_large"} 2\n')
  t.match(
    lines.map(line => JSON.parse(line)),
    [
      { msg: 'hook refused', code: 'WSO_ERR_BODY_TOO_LARGE', reason: /^a hook request of 4194312 bytes is larger/ },
      { msg: 'hook refused', code: 'WSO_ERR_LENGTH_REQUIRED', reason: /^a hook request must say how long it is/ },
    ],
  )
  t.equal(lines.length, 2)
})

t.test('with a token, only who shows it is answered, and the log says who was not', async t => {
  const { write, lines } = collect()
  const log = pino({ level: 'warn' }, { write })
  const metrics = new Metrics()
  const { app } = await buildApp({ ...config, TOKEN_FILE: ['s3cret,with,commas', 'old'] }, { log, metrics })
  t.teardown(() => app.close())
  const post = (headers: Record<string, string>) =>
    app.inject({ method: 'POST', url: '/decorator/sync', payload: recorded<object>('decorator-sync-first'), headers })
  for (const token of ['s3cret,with,commas', 'old'])
    t.equal((await post({ authorization: `Bearer ${token}` })).statusCode, 200, token)
  t.same(lines, [])
  for (const headers of [{}, { authorization: 'Bearer other' }]) {
    const answer = await post(headers as Record<string, string>)
    t.match(answer.json(), { statusCode: 401, code: 'WSO_ERR_UNAUTHORIZED', message: /bearer token/ })
  }
  t.match(
    await metrics.registry.metrics(),
    'ws_operator_hook_requests_total{hook="/decorator/sync",outcome="unauthorized"} 2\n',
  )
  for (let n = 0; n < 100; n++) await app.inject({ method: 'POST', url: `/decorator/sync?n=${n}`, payload: {} })
  t.match(
    lines.map(line => JSON.parse(line)),
    [
      {
        msg: 'hook refused',
        code: 'WSO_ERR_UNAUTHORIZED',
        reason: 'the bearer token is missing or wrong',
        path: '/decorator/sync',
        remote: '127.0.0.1',
      },
    ],
  )
  t.equal(lines.length, 1, 'the number of the others is in the next line')
  t.notMatch(lines.join(), /"stack"|app\.ts/, 'and no stack')
})

function collect() {
  const lines: string[] = []
  return { lines, write: (line: string) => void lines.push(line) }
}
