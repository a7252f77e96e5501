import t from 'tap'
import { murmur3 } from '../../../lib/routing/murmur3.ts'
import { TextHash } from '../../../lib/routing/text-hash.ts'

/** Short and long ones, and those at the border of what is hashed without an allocation (682 UTF-16 units). */
const TEXTS = ['', 'a', 'héllo', '€'.repeat(682), '€'.repeat(683), 'x'.repeat(682), 'x'.repeat(683), '🙂'.repeat(5000)]

t.test('each lane is the hash of the UTF-8 bytes with its seed', async t => {
  const hash = new TextHash()
  for (const text of TEXTS) {
    const bytes = Buffer.from(text)
    hash.update(text, 1, 0xffffffff)
    t.strictSame([...hash.lanes], [murmur3(bytes, bytes.length, 1), murmur3(bytes, bytes.length, 0xffffffff)])
  }
})

t.test('nothing of an earlier, longer text remains', async t => {
  const [used, fresh] = [new TextHash(), new TextHash()]
  used.update('a longer text', 1, 2)
  used.update('a', 1, 2)
  fresh.update('a', 1, 2)
  t.strictSame(used.lanes, fresh.lanes)
})
