import t from 'tap'
import { controlSecret, formatSecret } from '../../../lib/rehome/control-pings.ts'
import { SecretCache } from '../../../sidecar/connections/secret-cache.ts'

t.test('connections of one balancer share one secret', async t => {
  const cache = new SecretCache()
  const [one, other] = [controlSecret(), controlSecret()]
  t.strictSame(cache.get(formatSecret(one)), one)
  t.equal(cache.get(formatSecret(one)), cache.get(formatSecret(one)))
  t.strictSame(cache.get(formatSecret(other)), other)
})

t.test('a text that is no secret gives none', async t => {
  const cache = new SecretCache()
  for (const text of [undefined, '', 'short', 'x'.repeat(1000)]) t.equal(cache.get(text), undefined)
})

t.test('more secrets than the limit are parsed again, and stay right', async t => {
  const cache = new SecretCache()
  const first = controlSecret()
  const before = cache.get(formatSecret(first))
  for (let n = 0; n < 1000; n++) cache.get(formatSecret(controlSecret()))
  const after = cache.get(formatSecret(first))
  t.strictSame(after, before)
  t.not(after, before, 'the first cache was given up')
})
