import t from 'tap'
import { nearest } from '../../../hooks/annotations/did-you-mean.ts'

const NAMES = ['route', 'routing-key', 'drain-seconds', 'sidecar-port', 'app-port']

t.test('finds what was probably meant', async t => {
  t.equal(nearest('drain-second', NAMES), 'drain-seconds')
  t.equal(nearest('sidecarport', NAMES), 'sidecar-port')
  t.equal(nearest('routes', NAMES), 'route')
  t.equal(nearest('app-prot', NAMES), 'app-port')
  t.equal(nearest('route', NAMES), 'route')
})

t.test('stays silent where nothing is close, however long the word', async t => {
  t.equal(nearest('replicas', NAMES), undefined)
  t.equal(nearest('x'.repeat(100_000), NAMES), undefined)
  t.equal(nearest('', NAMES), undefined)
})
