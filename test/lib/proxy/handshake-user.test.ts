import t from 'tap'
import { confirmedUser, userOf } from '../../../lib/proxy/handshake-user.ts'
import { parseRoutingKey } from '../../../lib/routing/key/routing-key.ts'

t.test('one user, none, or more than one', async t => {
  const key = parseRoutingKey('header:x,query:user')
  const request = (url: string) => ({ url, rawHeaders: ['X', 'ann'] })
  t.equal(userOf(key, 'random', request('/?user=ann')), 'ann')
  t.throws(() => userOf(key, 'random', request('/?user=bob')), { code: 'WSO_ERR_AMBIGUOUS_USER', statusCode: 400 })
  t.equal(userOf(key, 'random', { url: '/', rawHeaders: [] }), undefined)
  t.throws(() => userOf(key, 'reject', { url: '/?user=%00', rawHeaders: [] }), { code: 'WSO_ERR_MISSING_KEY' })
})

t.test('the user that an answer names', async t => {
  const named = (...values: string[]) => confirmedUser({ fields: values.map(value => ['WS-User-Id', value] as const) })
  t.equal(named(), undefined)
  t.equal(named('ann'), 'ann')
  t.equal(named(Buffer.from('Zoë').toString('latin1')), 'Zoë')
  t.equal(named('ann', 'ann'), 'ann')
  t.match(named('x'.repeat(600)), /^sha256:[0-9a-f]{64}$/)
  for (const bad of [['ann', 'bob'], [''], ['a\tb'], ['a\x85']])
    t.throws(() => named(...bad), { code: 'WSO_ERR_BAD_USER', statusCode: 502 }, JSON.stringify(bad))
})
