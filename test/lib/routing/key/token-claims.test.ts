import { decodeJwt, UnsecuredJWT } from 'jose'
import t from 'tap'
import { parseRoutingKey } from '../../../../lib/routing/key/routing-key.ts'
import { claimText, tokenClaims } from '../../../../lib/routing/key/token-claims.ts'

const encode = (payload: string | Buffer) => `a.${Buffer.from(payload).toString('base64url')}.c`

/** As the library decodes it. */
function expected(token: string): unknown {
  try {
    return decodeJwt(token)
  } catch {
    return undefined
  }
}

t.test('the claims are those of a library', async t => {
  const payloads = [
    '{}',
    '{"sub":"ann"}',
    ' \n{"sub":"Zoë","n":1}\t',
    '[]',
    '[{}]',
    '"{}"',
    '{',
    '{x}',
    '1',
    'null',
    '',
  ]
  for (const payload of payloads) t.strictSame(tokenClaims(encode(payload)), expected(encode(payload)), payload)
  const notText = encode(Buffer.from([0x7b, 0x22, 0x61, 0xff, 0x22, 0x3a, 0x31, 0x7d]))
  const signed = new UnsecuredJWT({ sub: 'ann' }).encode()
  for (const token of [notText, signed, `${signed}x`, `${signed}.x`, 'a.e30', '.e30.', 'e30', '..', 'a.e30.b.c.d'])
    t.strictSame(tokenClaims(token), expected(token), token)
})

t.test('the words of a long header that are no tokens cost no exception each', async t => {
  const parsed = t.capture(JSON, 'parse')
  const { find } = parseRoutingKey('jwt:sub')
  for (const word of ['a', 'a.b.c', '...', encode('x'), encode('[1]')])
    t.strictSame(find({ url: '/', rawHeaders: ['Authorization', `${word},`.repeat(2000)] }), [])
  t.equal(parsed().length, 0)
})

t.test('numbers that one double stands for are different users', async t => {
  for (const [payload, text] of [
    ['{"sub":12345678901234567890}', '12345678901234567890'],
    ['{"sub":12345678901234567891}', '12345678901234567891'],
    ['{"a":{"sub":1},"sub":12345678901234567891,"b":[{"sub":2}]}', '12345678901234567891'],
    ['{"sub":12345678901234567890,"sub":12345678901234567891}', '12345678901234567891'],
    ['{"sub":1e400}', '1e400'],
    ['{"sub":42.0}', '42'],
    ['{"sub":-7}', '-7'],
    ['{"sub":"42"}', '42'],
    ['{"sub":true}', undefined],
    ['{"a":{"sub":12345678901234567891}}', undefined],
    ['{', undefined],
  ] as const)
    t.equal(claimText(encode(payload), 'sub'), text, payload)
})
