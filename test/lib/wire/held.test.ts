import t from 'tap'
import { applyMask } from '../../../lib/wire/frames.ts'
import { Held, holdings, MAX_HELD_BYTES } from '../../../lib/wire/held.ts'

t.test('a message is unmasked from its pieces, wherever they begin in their frames', async t => {
  const held = new Held()
  const [first, second] = [Buffer.from('{"recipientId":"b'), Buffer.from('ob"}')]
  const masked = (bytes: Buffer, mask: number) => {
    const copy = Buffer.from(bytes)
    applyMask(copy, mask, 0)
    return copy
  }
  const header = Buffer.from('header')
  held.add(header)
  const frame = masked(first, 0x01020304)
  for (const cut of [0, 5, 6])
    held.addPayload(frame.subarray(cut, cut === 0 ? 5 : cut === 5 ? 6 : undefined), 0x01020304, cut)
  held.addPayload(masked(second, 0x0a0b0c0d), 0x0a0b0c0d, 0)
  t.equal(held.unmasked().toString(), '{"recipientId":"bob"}')
  t.strictSame(Buffer.concat(held.release()), Buffer.concat([header, frame, masked(second, 0x0a0b0c0d)]), 'as it came')
  t.equal(holdings.bytes, 0)
})

t.test('all messages together have a limit, whoever has reached it', async t => {
  const [large, small] = [new Held(), new Held()]
  large.addPayload(Buffer.alloc(MAX_HELD_BYTES), 0, 0)
  t.notOk(large.isTooMuch(MAX_HELD_BYTES))
  small.addPayload(Buffer.alloc(1), 0, 0)
  t.ok(small.isTooMuch(1))
  large.release()
  t.notOk(small.isTooMuch(1))
  small.release()
  t.equal(holdings.bytes, 0)
})
