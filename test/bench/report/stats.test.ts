import fc from 'fast-check'
import t from 'tap'
import { median, percentile, ratioOf, spreadOf } from '../../../bench/report/stats.ts'

t.test('median, least and greatest', async t => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 2, 3]), 2.5)
  t.same(spreadOf([10, 30, 20]), { median: 20, min: 10, max: 30 })
  t.equal(spreadOf([]), undefined)
})

t.test('a ratio pairs what was measured in the same repetition', async t => {
  t.same(ratioOf([10, 30, 20], [20, 30, 10]), { median: 1, min: 0.5, max: 2 })
  t.same(
    ratioOf([10, undefined, 20], [20, 1, 20]),
    { median: 0.75, min: 0.5, max: 1 },
    'a failed repetition is left out',
  )
  t.equal(ratioOf([1, undefined], [undefined, 1]), undefined)
  t.equal(ratioOf([], [1]), undefined)
})

t.test('the ratio of the medians lies between the least and the greatest ratio', async t => {
  const positive = fc.double({ min: 0.001, max: 1e9, noNaN: true })
  fc.assert(
    fc.property(fc.array(fc.tuple(positive, positive), { minLength: 1, maxLength: 9 }), pairs => {
      const ratio = ratioOf(
        pairs.map(([value]) => value),
        pairs.map(([, other]) => other),
      )!
      return ratio.median >= ratio.min * (1 - 1e-9) && ratio.median <= ratio.max * (1 + 1e-9)
    }),
  )
  t.pass('for all series')
})

t.test('percentiles by nearest rank', async t => {
  const values = Float64Array.from({ length: 100 }, (_, i) => i + 1)
  t.equal(percentile(values, 0.5), 50)
  t.equal(percentile(values, 0.99), 99)
  t.equal(percentile(values, 1), 100)
  t.equal(percentile(Float64Array.of(7), 0.5), 7)
})
