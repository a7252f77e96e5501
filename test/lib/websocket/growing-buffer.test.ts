import fc from 'fast-check'
import t from 'tap'
import { GrowingBuffer } from '../../../lib/websocket/growing-buffer.ts'

t.test('it has what was appended, in memory that is known before and no more than twice that', async () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 30 }), pieces => {
      const buffer = new GrowingBuffer()
      const all = Buffer.concat(pieces)
      for (const piece of pieces) {
        const expected = buffer.capacityWith(piece.length, all.length)
        buffer.append(Buffer.from([0, ...piece, 0]), 1, piece.length + 1, all.length)
        if (buffer.capacity !== expected) throw new Error(`${buffer.capacity} bytes, not ${expected}`)
      }
      if (!buffer.view().equals(all)) throw new Error('other bytes')
      if (buffer.capacity > all.length) throw new Error(`${buffer.capacity} bytes for ${all.length}`)
    }),
    { seed: 31 },
  )
})

t.test('where nobody knows how much comes, it doubles', async t => {
  const buffer = new GrowingBuffer()
  const capacities = new Set<number>()
  for (let n = 0; n < 5000; n++) {
    buffer.append(Buffer.of(n), 0, 1)
    capacities.add(buffer.capacity)
  }
  t.strictSame([...capacities], [256, 512, 1024, 2048, 4096, 8192])
  t.equal(buffer.length, 5000)
})
