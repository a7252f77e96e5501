import { METHODS } from 'node:http'
import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { askRaw, startHttp, startTcp } from '../helpers/plain.ts'
import { membersFile, startBalancer, startStack } from '../helpers/stack.ts'

// Where a body ends must be as clear to the next hop as it was to us.

const chunked = (method: string, body: string) =>
  `${method} /x?user=alice HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`

/** What somebody would like a sidecar to take for a request of a balancer. */
const HIDDEN = 'POST /message HTTP/1.1\r\nHost: h\r\nws-user-id: victim\r\nContent-Length: 3\r\n\r\n\x01hi'

t.test('a chunked body stays one with every method', async t => {
  const seen: string[] = []
  const app = await startHttp(t, (request, response) => {
    request.toArray().then(chunks => {
      seen.push(`${request.method} ${request.headers['transfer-encoding']} ${Buffer.concat(chunks)}`)
      response.end()
    })
  })
  const { balancer } = await startStack(t, [app])
  const methods = METHODS.filter(method => method !== 'CONNECT')
  for (const method of methods)
    t.match(await askRaw(t, balancer.port, chunked(method, 'hello')), /^HTTP\/1\.1 200 /, method)
  t.strictSame(
    seen,
    methods.map(method => `${method} chunked hello`),
  )
})

t.test('a request inside a body is never one for the next hop', async t => {
  const wire: string[] = []
  const member = await startTcp(t, (socket, chunk) => {
    wire.push(chunk.toString('latin1'))
    if (wire.join('').endsWith('\r\n0\r\n\r\n')) socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
  })
  const balancer = await startBalancer(t, await membersFile(`127.0.0.1:${member.port}`))
  t.match(await askRaw(t, balancer.port, chunked('GET', HIDDEN)), /^HTTP\/1\.1 200 /)
  const [head = '', body] = wire.join('').split(/\r\n\r\n(.*)/s)
  t.match(head, /^Transfer-Encoding: chunked$/m)
  t.equal(body, `${HIDDEN.length.toString(16)}\r\n${HIDDEN}\r\n0\r\n\r\n`)

  const app = await startApp(t, { onConnection: () => {} })
  app.http.on('request', (request, response) => request.resume().on('end', () => response.end()))
  const stack = await startStack(t, [app])
  await connect(t, stack.balancer.port, { user: 'victim' })
  for (const method of ['GET', 'DELETE', 'OPTIONS'])
    t.match(await askRaw(t, stack.balancer.port, chunked(method, HIDDEN)), /^HTTP\/1\.1 200 /)
  t.strictSame(app.received, [], 'nothing came to the app in the name of somebody else')
})

t.test('other codings, which nobody here can take off, are refused', async t => {
  const app = await startHttp(t, (_request, response) => response.end())
  const { balancer } = await startStack(t, [app])
  for (const coding of ['gzip, chunked', 'chunked, chunked']) {
    const request = chunked('POST', 'hello').replace('Encoding: chunked', `Encoding: ${coding}`)
    const answer = await askRaw(t, balancer.port, request)
    t.match(
      answer,
      coding.startsWith('gzip') ? /^HTTP\/1\.1 501 [\s\S]*WSO_ERR_UNSUPPORTED_CODING/ : /^HTTP\/1\.1 (400|501) /,
    )
  }
  t.match(await askRaw(t, balancer.port, chunked('POST', 'hello').replace(/chunked/, 'Chunked')), /^HTTP\/1\.1 200 /)
})
