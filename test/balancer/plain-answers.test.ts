import { connect as connectTcp } from 'node:net'
import t from 'tap'
import { ask, startHttp, startTcp } from '../helpers/plain.ts'
import { membersFile, startBalancer, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

// Whatever an app answers, the client gets an answer, and nobody else notices.

const head = (start: string) => `${start}\r\nContent-Length: 2\r\n\r\nok`

const CASES: [what: string, answer: string, expected: object][] = [
  ['a status that is none', head('HTTP/1.1 099 Odd'), { status: 502, message: 'Bad Gateway' }],
  ['no status at all', head('HTTP/1.1 000 Odd'), { status: 502, message: 'Bad Gateway' }],
  ['a control character in the reason', head('HTTP/1.1 200 O\x01K'), { status: 200, message: 'OK', body: 'ok' }],
  [
    'a reason that Node does not know',
    head('HTTP/1.1 299 O\tK \xe9'),
    { status: 299, message: 'O\tK \xe9', body: 'ok' },
  ],
  ['a reason that nobody can send or knows', head('HTTP/1.1 299 \x01'), { status: 299, body: 'ok' }],
  [
    'hints before the answer',
    `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${head('HTTP/1.1 200 Fine')}`,
    { status: 200, body: 'ok' },
  ],
  [
    'another protocol',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\nxx',
    { status: 502, body: /WSO_ERR_UPSTREAM_FAILED/ },
  ],
  ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n', { status: 502 }],
]

for (const [what, answer, expected] of CASES) {
  t.test(what, async t => {
    const member = await startTcp(t, socket => socket.write(answer, 'latin1'))
    // Longer than the test may take: an answer must not come only because time is over.
    const env = { PLAIN_HTTP_TIMEOUT_MS: 3_600_000 }
    const balancer = await startBalancer(t, await membersFile(`127.0.0.1:${member.port}`), env)
    await waitFor(async () => (await balancer.metric('members')) === 1, 'the member is known')
    t.match(await ask(balancer.port), expected)
    t.match(await ask(balancer.port, { method: 'POST', body: Buffer.from('x') }), expected)
  })
}

t.test('requests by what became of them', async t => {
  const app = await startHttp(t, (request, response) => {
    response.writeHead(200, { 'Content-Length': '100' })
    response.write('a bit', () => {
      if (request.url === '/breaks-off') response.destroy()
      else if (request.url === '/whole') response.end('x'.repeat(95))
    })
  })
  const { balancer, sidecars } = await startStack(t, [app])
  const counted = async () =>
    Promise.all(['passed', 'failed', 'left'].map(result => balancer.metric('plain_requests_total', { result })))
  await ask(balancer.port, { path: '/whole' })
  await waitFor(async () => String(await counted()) === '1,0,0', 'it is counted as passed')
  await t.rejects(ask(balancer.port, { path: '/breaks-off' }), { code: 'ECONNRESET' })
  await waitFor(async () => String(await counted()) === '1,1,0', 'it is counted as failed')
  t.equal(await sidecars[0]?.metric('plain_requests_total', { result: 'failed' }), 1)
  const socket = connectTcp(balancer.port, '127.0.0.1')
  socket.write('GET /endless HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise(resolve => socket.once('data', resolve))
  socket.destroy()
  await waitFor(async () => String(await counted()) === '1,1,1', 'it is counted as one whose client left')
})
