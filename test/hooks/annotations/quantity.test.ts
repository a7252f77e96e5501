import t from 'tap'
import { quantity } from '../../../hooks/annotations/quantity.ts'

t.test('quantities as Kubernetes writes them', async t => {
  for (const [text, value] of [
    ['1', 1],
    [2, 2],
    ['500m', 0.5],
    ['0.5', 0.5],
    ['.5', 0.5],
    ['1.', 1],
    ['64Mi', 64 * 2 ** 20],
    ['1Gi', 2 ** 30],
    ['150M', 150e6],
    ['1e3', 1000],
    ['1E3', 1000],
    ['1E', 1e18],
    ['12k', 12_000],
    ['1u', 0.001],
    ['0.1234', 0.124],
    ['57m', 0.057],
  ] as const) {
    t.equal(quantity(text), value * 1000, String(text))
  }
  for (const text of ['', 'Mi', '1mi', '1 Gi', '1e3Mi', 'x', null, undefined, {}, []]) {
    t.equal(quantity(text), undefined, JSON.stringify(text))
  }
})
