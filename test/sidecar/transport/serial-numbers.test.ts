import fc from 'fast-check'
import t from 'tap'
import { isBefore, serialNumbers } from '../../../sidecar/transport/serial-numbers.ts'

t.test('numbers begin with 1, and each series counts for itself', async t => {
  const [one, two] = [serialNumbers(), serialNumbers()]
  t.strictSame([one(), one(), two(), one()], [1, 2, 1, 3])
})

t.test('a number is before those that follow it, also across the end of 32 bits', async t => {
  for (const [number, other, before] of [
    [1, 2, true],
    [2, 1, false],
    [1, 1, false],
    [0xffff_ffff, 0, true],
    [0xffff_fff0, 5, true],
    [0, 0xffff_ffff, false],
    [0, 0x7fff_ffff, true],
  ] as const)
    t.equal(isBefore(number, other), before, `${number} before ${other}`)
})

t.test('of two different numbers less than 2³¹ apart, the earlier one is before the later one only', async t => {
  const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
  const property = fc.property(u32, fc.integer({ min: 1, max: 2 ** 31 - 1 }), (number, steps) => {
    const later = (number + steps) >>> 0
    return isBefore(number, later) && !isBefore(later, number)
  })
  t.doesNotThrow(() => fc.assert(property, { seed: 8, numRuns: 500 }))
})
