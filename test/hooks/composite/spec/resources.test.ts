import t from 'tap'
import { resourcesOf } from '../../../../hooks/composite/spec/resources.ts'

t.test('what is asked for, as the API server writes it', async t => {
  t.strictSame(resourcesOf(), { requests: { cpu: '50m', memory: '192Mi' }, limits: { memory: '512Mi' } })
  const given = { requests: { cpu: 2, memory: '1024Mi' }, limits: { cpu: '2.50', memory: '2048Mi' } }
  t.strictSame(resourcesOf(given), { requests: { cpu: '2', memory: '1Gi' }, limits: { cpu: '2500m', memory: '2Gi' } })
})

t.test('a default gives way, so that no request is above its limit', async t => {
  t.match(resourcesOf({ limits: { cpu: '20m', memory: '128Mi' } }), { requests: { cpu: '20m', memory: '128Mi' } })
  t.match(resourcesOf({ limits: { cpu: '4', memory: '4Gi' } }), { requests: { cpu: '50m', memory: '192Mi' } })
  t.match(resourcesOf({ requests: { memory: '1Gi' } }), { limits: { memory: '1Gi' } })
})

t.test('text that is no quantity is refused', async t => {
  t.throws(() => resourcesOf({ requests: { cpu: '0.0' } }), { message: /an amount of cpu/ })
  t.throws(() => resourcesOf({ limits: { memory: '1G' } }), { message: /an amount of memory/ })
})
