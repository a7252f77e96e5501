import t from 'tap'
import { encodeMask, nextMask } from '../../../lib/websocket/mask.ts'

/** More than Node takes from one filling of its pool of random bytes. */
const KEYS = 5000

t.test('keys are whole 32-bit numbers, and do not repeat when the pool is filled again', async t => {
  const keys = Array.from({ length: KEYS }, nextMask)
  t.ok(keys.every(key => Number.isInteger(key) && key >= 0 && key <= 0xffffffff))
  // By chance, one of 5000 keys of 32 bits repeats once in 340 runs; three never do.
  t.ok(new Set(keys).size > KEYS - 3, `${new Set(keys).size} different keys`)
})

t.test('every bit of a key is set about half the time', async t => {
  const keys = Array.from({ length: KEYS }, nextMask)
  for (let bit = 0; bit < 32; bit++) {
    const share = keys.filter(key => ((key >>> bit) & 1) === 1).length / KEYS
    // Eight standard deviations.
    t.ok(Math.abs(share - 0.5) < 0.06, `bit ${bit}: ${share}`)
  }
})

t.test('a key is encoded as four bytes, the highest first', async t => {
  for (const [key, bytes] of [
    [0, [0, 0, 0, 0]],
    [0x01020304, [1, 2, 3, 4]],
    [0xfffefdfc, [255, 254, 253, 252]],
  ] as const)
    t.strictSame([...encodeMask(key)], bytes)
})

t.test('each encoded key has memory of its own', async t => {
  const [one, other] = [encodeMask(1), encodeMask(2)]
  one.fill(0xff)
  t.strictSame([...other], [0, 0, 0, 2])
})
