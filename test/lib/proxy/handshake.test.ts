import t from 'tap'
import {
  forwardedFields,
  handshakeProblem,
  hasTwoHosts,
  isAccepted,
  repeatAnswer,
  repeatHandshake,
} from '../../../lib/proxy/handshake.ts'
import { parseResponseHead, type ResponseHead } from '../../../lib/websocket/response-head.ts'

const lines = (head: Buffer) => head.toString('latin1').split('\r\n')

t.test('a handshake goes on as it came, without what belongs to one connection and without extensions', async t => {
  const rawHeaders = [
    ['Host', 'example.org'],
    ['Connection', 'Upgrade, X-Secret, Sec-WebSocket-Key'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Key', 'k'],
    ['Sec-WebSocket-Extensions', 'permessage-deflate'],
    ['Sec-WebSocket-Protocol', 'a, b'],
    ['X-Secret', 'listed in Connection'],
    ['Keep-Alive', 'timeout=5'],
    ['TE', 'trailers'],
    ['Content-Length', '5'],
    ['X-Twice', 'a'],
    ['x-twice', 'b'],
    ['ws-user-id', 'mallory'],
    ['Ws_User-Id', 'the same to some apps'],
    ['X_Other', 'nobody claims it'],
  ].flat()
  const headers = { connection: 'Upgrade, X-Secret, Sec-WebSocket-Key' }
  const head = repeatHandshake({ method: 'GET', rawHeaders, headers }, '/a?b', new Set(['ws-user-id']), {
    'ws-user-id': 'alice',
  })
  t.strictSame(lines(head), [
    'GET /a?b HTTP/1.1',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Host: example.org',
    'Sec-WebSocket-Key: k',
    'Sec-WebSocket-Protocol: a, b',
    'X-Twice: a',
    'x-twice: b',
    'X_Other: nobody claims it',
    'ws-user-id: alice',
    '',
    '',
  ])
})

t.test('an answer goes back as it came, with what this hop adds; a refusal ends the connection', async t => {
  const answer = (text: string, fields = {}) =>
    lines(repeatAnswer(parseResponseHead(text) as ResponseHead, fields, new Set()))
  t.strictSame(
    answer(
      'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Instance: app\r\nSet-Cookie: a=1',
      {
        'x-instance': 'ours',
      },
    ),
    [
      'HTTP/1.1 101 Switching',
      'Upgrade: websocket',
      'Connection: Upgrade',
      'Set-Cookie: a=1',
      'x-instance: ours',
      '',
      '',
    ],
  )
  t.strictSame(answer('HTTP/1.1 403 No\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5\r\nContent-Length: 2'), [
    'HTTP/1.1 403 No',
    'Content-Length: 2',
    'Connection: close',
    '',
    '',
  ])
  t.ok(isAccepted(parseResponseHead('HTTP/1.1 101 S\r\nupgrade: WebSocket') as ResponseHead))
  t.ok(isAccepted(parseResponseHead('HTTP/1.1 101 S\r\nupgrade: websocket,websocket') as ResponseHead))
  t.notOk(isAccepted(parseResponseHead('HTTP/1.1 101 S\r\nupgrade: h2c') as ResponseHead))
  t.notOk(isAccepted(parseResponseHead('HTTP/1.1 200 OK\r\nupgrade: websocket') as ResponseHead))
})

t.test('X-Forwarded fields add this hop to what proxies before it said', async t => {
  t.strictSame(forwardedFields({ headers: {} }, '198.51.100.7', 'chat.example'), {
    'X-Forwarded-For': '198.51.100.7',
    'X-Forwarded-Proto': 'http',
    'X-Forwarded-Host': 'chat.example',
  })
  const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'www.example' }
  t.strictSame(forwardedFields({ headers }, '198.51.100.7', 'chat.example'), {
    'X-Forwarded-For': '203.0.113.9, 198.51.100.7',
    'X-Forwarded-Proto': 'https',
    'X-Forwarded-Host': 'www.example',
  })
})

t.test('Forwarded is extended by an element of RFC 7239, where there is one', async t => {
  const extended = (forwarded: string, address: string, host: string) =>
    forwardedFields({ headers: { forwarded } }, address, host)['Forwarded']
  t.equal(forwardedFields({ headers: {} }, '198.51.100.7', 'chat.example')['Forwarded'], undefined)
  const ours = 'for=198.51.100.7;host=chat.example;proto=http'
  for (const before of ['for=203.0.113.9', 'For="[2001:db8::17]:4711";by=_x, for=unknown', 'for="a\\"b"', 'for=a\\'])
    t.equal(extended(before, '198.51.100.7', 'chat.example'), `${before}, ${ours}`, before)
  t.equal(
    extended('for=a', '2001:db8::1', 'chat.example:8080'),
    'for=a, for="[2001:db8::1]";host="chat.example:8080";proto=http',
  )
  t.equal(extended('for=a', 'unknown', 'a"b\\c'), 'for=a, for=unknown;host="a\\"b\\\\c";proto=http')
  for (const open of ['for="203.0.113.9', 'for="a", by="b', 'for="a\\"', '', ' '])
    t.equal(extended(open, '198.51.100.7', 'chat.example'), ours, `what ours would be a part of is dropped: ${open}`)
})

t.test('opening handshakes are checked as RFC 6455 section 4.2.1 says', async t => {
  const headers = {
    upgrade: 'WebSocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  }
  t.equal(handshakeProblem({ method: 'GET', headers }), undefined)
  t.match(handshakeProblem({ method: 'POST', headers }), { status: 405, headers: { Allow: 'GET' } })
  t.match(handshakeProblem({ method: 'GET', headers: { ...headers, upgrade: 'h2c' } }), { status: 400 })
  t.match(handshakeProblem({ method: 'GET', headers: { ...headers, 'sec-websocket-version': '8' } }), {
    status: 426,
    headers: { 'Sec-WebSocket-Version': '13' },
  })
  t.match(handshakeProblem({ method: 'GET', headers: { ...headers, 'sec-websocket-key': 'x' } }), { status: 400 })
  for (const upgrade of ['websocket, websocket', 'websocket, h2c', 'h2c,WebSocket'])
    t.equal(handshakeProblem({ method: 'GET', headers: { ...headers, upgrade } }), undefined, upgrade)
  for (const protocols of [
    '',
    'mqtt,',
    'mqtt, , mqttv3.1',
    'graphql-ws, graphql-ws',
    'Bearer abc',
    'application/json',
  ]) {
    const problem = handshakeProblem({ method: 'GET', headers: { ...headers, 'sec-websocket-protocol': protocols } })
    t.equal(problem, undefined, `the app decides: ${protocols}`)
  }
})

t.test('X-Forwarded lists stay one, or one for each address; empty ones are as none', async t => {
  const forwarded = (addresses: string, protocols: string, hosts = '') =>
    Object.values(
      forwardedFields(
        { headers: { 'x-forwarded-for': addresses, 'x-forwarded-proto': protocols, 'x-forwarded-host': hosts } },
        '198.51.100.7',
        'chat.example',
      ),
    )
  t.strictSame(forwarded('203.0.113.7, 10.0.0.5', 'https, https', 'www.example, inner.example'), [
    '203.0.113.7, 10.0.0.5, 198.51.100.7',
    'https, https, http',
    'www.example, inner.example, chat.example',
  ])
  t.strictSame(forwarded('203.0.113.7', 'https'), ['203.0.113.7, 198.51.100.7', 'https', 'chat.example'])
  t.strictSame(forwarded('a, b, c', 'https'), ['a, b, c, 198.51.100.7', 'https', 'chat.example'])
  t.strictSame(forwarded('a, b, c', 'https, http'), ['a, b, c, 198.51.100.7', 'https', 'chat.example'])
  t.strictSame(forwarded('', ' ', ', '), ['198.51.100.7', 'http', 'chat.example'])
  t.strictSame(forwarded(', 203.0.113.7,', ',https'), ['203.0.113.7, 198.51.100.7', 'https', 'chat.example'])
  t.strictSame(
    forwardedFields({ headers: {} }, '198.51.100.7', ''),
    { 'X-Forwarded-For': '198.51.100.7', 'X-Forwarded-Proto': 'http' },
    'a request of HTTP/1.0 names no host',
  )
})

t.test('two Host fields, however they are written', async t => {
  t.notOk(hasTwoHosts({ rawHeaders: ['Host', 'a', 'X-Host', 'Host'] }))
  t.ok(hasTwoHosts({ rawHeaders: ['Host', 'a', 'hOST', 'a'] }))
})
