import t from 'tap'
import { didYouMean } from '../../../hooks/annotations/did-you-mean.ts'

const NAMES = ['route', 'routing-key', 'drain-seconds', 'sidecar-port', 'app-port']

t.test('finds what was probably meant', async t => {
  t.equal(didYouMean('drain-second', NAMES), 'drain-seconds')
  t.equal(didYouMean('sidecarport', NAMES), 'sidecar-port')
  t.equal(didYouMean('routes', NAMES), 'route')
  t.equal(didYouMean('app-prot', NAMES), 'app-port')
  t.equal(didYouMean('route', NAMES), 'route')
})

t.test('stays silent where nothing is close, however long the word', async t => {
  t.equal(didYouMean('replicas', NAMES), undefined)
  t.equal(didYouMean('x'.repeat(100_000), NAMES), undefined)
  t.equal(didYouMean('', NAMES), undefined)
})
