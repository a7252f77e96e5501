import t from 'tap'
import { endToEndFields, forwardedFields, handshakeProblem, offeredProtocols } from '../../../lib/wire/handshake.ts'

t.test(
  'fields of one connection stay behind, also those that Connection lists; the rest goes on as it came',
  async t => {
    const rawHeaders = [
      ['Host', 'example.org'],
      ['Connection', 'Upgrade, X-Secret'],
      ['Upgrade', 'websocket'],
      ['Sec-WebSocket-Key', 'k'],
      ['Sec-WebSocket-Extensions', 'permessage-deflate'],
      ['X-Secret', 'listed in Connection'],
      ['Keep-Alive', 'timeout=5'],
      ['TE', 'trailers'],
      ['X-Twice', 'a'],
      ['x-twice', 'b'],
      ['X-Twice', 'c'],
      ['ws-user-id', 'mallory'],
    ].flat()
    const headers = { connection: 'Upgrade, X-Secret' }
    t.strictSame(endToEndFields({ rawHeaders, headers }, ['ws-user-id']), {
      Host: 'example.org',
      'X-Twice': ['a', 'b', 'c'],
    })
  },
)

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

t.test('sub-protocols are tokens, each offered once', async t => {
  t.strictSame(offeredProtocols(undefined), [])
  t.strictSame(offeredProtocols('a, b ,c'), ['a', 'b', 'c'])
  for (const bad of ['', 'a,', 'a b', 'a, a', 'a;q=1', '"a"'])
    t.equal(offeredProtocols(bad), undefined, JSON.stringify(bad))
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
  t.match(handshakeProblem({ method: 'GET', headers: { ...headers, 'sec-websocket-protocol': 'a,a' } }), {
    status: 400,
  })
})
