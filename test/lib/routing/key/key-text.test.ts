import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import {
  decodeKeyHeader,
  encodeKeyHeader,
  hasControlCharacter,
  keyOf,
  keyProblem,
  MAX_KEY_BYTES,
  percentDecode,
} from '../../../../lib/routing/key/key-text.ts'

t.test('why a text is no key', async t => {
  for (const key of ['a', 'a b', 'Zoë', '👩‍👩‍👧', 'x'.repeat(512), 'é'.repeat(256)]) {
    t.equal(keyProblem(key), undefined, key)
  }
  for (const [key, reason] of [
    ['', 'empty'],
    ['a\nb', 'control character'],
    ['a\0', 'control character'],
    ['a\x7f', 'control character'],
    ['a\x85', 'control character'],
    [' a', 'space'],
    ['a ', 'space'],
    ['a\ud83d', 'surrogate'],
    ['x'.repeat(513), '513 bytes, more than 512'],
    ['é'.repeat(257), '514 bytes'],
  ] as const) {
    t.match(keyProblem(key), reason, JSON.stringify(key))
  }
})

t.test('a key that is none the worse survives a real header', async t => {
  const seen: string[] = []
  const server = createServer((request, response) => {
    seen.push(decodeKeyHeader(String(request.headers['ws-user-id'])))
    response.end()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const keys = fc.sample(
    fc.string({ unit: 'binary', minLength: 1 }).filter(key => keyProblem(key) === undefined),
    { seed: 3, numRuns: 50 },
  )
  for (const key of ['Zoë', '用户一', '👩‍👩‍👧', 'Ã«', '\u00a0x\u00a0', ...keys]) {
    const call = request({ port, host: '127.0.0.1', headers: { 'ws-user-id': encodeKeyHeader(key) } }).end()
    const [response] = await once(call, 'response')
    response.resume()
    t.equal(seen.pop(), key)
  }
})

t.test('a name is its own key unless it is too long; then the key is its hash', async t => {
  for (const name of ['ann', 'a b', 'Zoë', 'x'.repeat(MAX_KEY_BYTES), 'é'.repeat(MAX_KEY_BYTES / 2)])
    t.equal(keyOf(name), name)
  for (const name of ['x'.repeat(MAX_KEY_BYTES + 1), 'é'.repeat(300)])
    t.equal(keyOf(name), `sha256:${createHash('sha256').update(name, 'utf8').digest('hex')}`)
  for (const name of ['', ' a', 'a\n', `${'x'.repeat(600)}\n`, `${'x'.repeat(600)}\ud83d`])
    t.equal(keyOf(name), undefined, JSON.stringify(name))
})

t.test('a text has a key exactly if it is a key or too long to be one, and its key is valid', async t => {
  const property = fc.property(fc.string({ unit: 'binary', maxLength: 700 }), name => {
    const key = keyOf(name)
    const problem = keyProblem(name)
    if (key === undefined) return problem !== undefined
    if (keyProblem(key) !== undefined) return false
    return key === name ? problem === undefined : /more than 512/.test(problem ?? '')
  })
  t.doesNotThrow(() => fc.assert(property, { seed: 5, numRuns: 500 }))
})

t.test('control characters of ASCII and ISO 8859-1 are found, others are not', async t => {
  for (const text of ['\0', 'a\tb', 'a\x7f', '\x9fa']) t.ok(hasControlCharacter(text), JSON.stringify(text))
  for (const text of ['', 'a b', 'Zoë', '\xa0', '👩‍👩‍👧']) t.notOk(hasControlCharacter(text), JSON.stringify(text))
})

t.test('a header value that is no UTF-8 is ISO 8859-1', async t => {
  t.equal(decodeKeyHeader('Zo\u00eb'), 'Zoë')
  t.equal(decodeKeyHeader('Zo\u00c3\u00ab'), 'Zoë')
  t.equal(encodeKeyHeader('Zoë'), 'Zo\u00c3\u00ab')
})

t.test('percent-encoding that is invalid stays as it is', async t => {
  t.equal(percentDecode('a%20b%2F'), 'a b/')
  for (const text of ['100%', '%zz', '%FF', '%C0%AF']) t.equal(percentDecode(text), text)
})
