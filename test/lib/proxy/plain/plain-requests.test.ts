import t from 'tap'
import { PlainRequests } from '../../../../lib/proxy/plain/plain-requests.ts'
import type { WireConfig } from '../../../../lib/proxy/proxy-settings.ts'
import { serviceError } from '../../../../lib/service/http/errors.ts'
import { ask, askRaw, startHttp } from '../../../helpers/plain.ts'
import { freePort, type Scope } from '../../../helpers/stack.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { configOf, countersOf, memoryOf, planTo, sinksOf } from '../fixtures.ts'

/** A server whose plain requests go to an app that says `app`, but for those to `/own`. */
async function start(t: Scope, settings: Partial<WireConfig> = {}, appPort?: number) {
  const app = await startHttp(t, (request, response) => request.resume().on('end', () => response.end('app')))
  const counters = countersOf()
  const load = { requests: 1 }
  const plain = new PlainRequests({
    config: configOf(settings),
    isOwn: ({ url }) => url === '/own',
    plan(_request, path) {
      if (path === '/nowhere') throw serviceError('NO_OWNER')
      return planTo(appPort ?? app.port)
    },
    requests: () => load.requests,
    maxRequests: 3,
    sinks: sinksOf(),
    counters,
    memory: memoryOf(),
    budgetBytes: Number.POSITIVE_INFINITY,
  })
  t.teardown(() => plain.close())
  const { port } = await startHttp(t, (request, response) => {
    if (!plain.take(request, response)) response.end('own')
  })
  return { port, load, counted: counters.counted }
}

t.test('a request goes to its planned upstream, and its result is counted', async t => {
  const { port, counted } = await start(t)
  t.match(await ask(port), { status: 200, body: 'app' })
  await waitFor(() => counted.length === 1, 'it is counted')
  t.strictSame(counted, ['plain: passed'])
})

t.test('a request for the program itself is left to its routes, and not counted', async t => {
  const { port, counted } = await start(t)
  t.match(await ask(port, { path: '/own' }), { status: 200, body: 'own' })
  t.strictSame(counted, [])
})

t.test('above the limit of requests each further one is refused, the program’s own too', async t => {
  const { port, load, counted } = await start(t)
  load.requests = 3
  t.match(await ask(port), { status: 200 })
  load.requests = 4
  for (const path of ['/', '/own'])
    t.match(await ask(port, { path }), { status: 503, body: /WSO_ERR_FULL/, headers: { connection: 'close' } })
  t.strictSame(
    counted.filter(what => what.startsWith('shed')),
    ['shed: busy', 'shed: busy'],
  )
})

t.test('where plain requests are not passed, a client is told to upgrade', async t => {
  const { port } = await start(t, { PLAIN_HTTP: 'refuse' })
  t.match(await ask(port), { status: 426, body: /WSO_ERR_UPGRADE_REQUIRED/ })
  t.match(await ask(port, { path: '/own' }), { status: 200 })
})

t.test('a request that fails before its answer gets the error, and counts as failed', async t => {
  for (const [path, appPort, code] of [
    ['/nowhere', undefined, 'WSO_ERR_NO_OWNER'],
    ['/', await freePort(), 'WSO_ERR_UPSTREAM_UNREACHABLE'],
  ] as const) {
    const { port, counted } = await start(t, {}, appPort)
    const answer = await ask(port, { path })
    t.match(answer.body, code)
    t.strictSame(counted, ['plain: failed'])
  }
})

t.test('a request with two hosts is refused: the next hop could choose the other one', async t => {
  const { port } = await start(t)
  const answer = await askRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n')
  t.match(answer, /^HTTP\/1\.1 400 /)
})

t.test('a body that comes too slowly is refused by us, so its request counts as failed', async t => {
  const { port, counted } = await start(t, { PLAIN_HTTP_TIMEOUT_MS: 100, MIN_BODY_BYTES_PER_SECOND: 100 })
  const slow = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx'
  t.match(await askRaw(t, port, slow), /^HTTP\/1\.1 (408|504) /)
  await waitFor(() => counted.includes('plain: failed'), 'it is counted')
  t.notOk(counted.includes('plain: passed'))
})
