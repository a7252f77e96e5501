import t from 'tap'
import { Slices } from '../../../bench/load/slices.ts'

/** Ticks every millisecond, but not in the gaps; the proxy waits for its core as long as `waits` says at its times. */
function run(
  until: number,
  gaps: readonly [from: number, to: number][] = [],
  waits: Record<number, number> = {},
): Slices {
  let waited = 0
  const slices = new Slices(1000, () => waited)
  for (let time = 1; time <= until; time++) {
    waited += waits[time] ?? 0
    if (!gaps.some(([from, to]) => time > from && time < to)) slices.tick(1000 + time)
  }
  return slices
}

t.test('all is calm where nothing was late', async t => {
  const slices = run(450, [[10, 15]], { 120: 3, 150: 2 })
  t.ok(slices.calm(1000, 1449))
  t.equal(slices.calmMs, 400, 'of the slices that are over')
})

t.test('a late timer disturbs the slices in which it was late, and no others', async t => {
  const slices = run(600, [[190, 310]])
  t.ok(slices.calm(1000, 1099))
  t.notOk(slices.calm(1050, 1100), 'it was still in time here, but not until the end of the slice')
  t.notOk(slices.calm(1250, 1260))
  t.notOk(slices.calm(1090, 1450), 'sent before and back after')
  t.ok(slices.calm(1400, 1450))
  t.equal(slices.calmMs, 300)
})

t.test('a proxy without a core disturbs the slice', async t => {
  const slices = run(500, [], { 230: 4, 270: 2 })
  t.ok(slices.calm(1000, 1199))
  t.notOk(slices.calm(1210, 1220))
  t.ok(slices.calm(1300, 1450))
  t.equal(slices.calmMs, 400)
})
