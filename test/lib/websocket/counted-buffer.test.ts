import t from 'tap'
import { SharedByteAllowance } from '../../../lib/websocket/byte-allowance.ts'
import { CountedBuffer } from '../../../lib/websocket/counted-buffer.ts'

t.test('its memory is counted while it has it, more than its bytes, and given back', async t => {
  const room = new SharedByteAllowance(100_000)
  const buffer = new CountedBuffer(room)
  for (let n = 0; n < 1000; n++) t.ok(buffer.append(Buffer.from('abc'), 1, 3))
  t.equal(buffer.length, 2000)
  t.ok(buffer.bytes > 2000)
  t.equal(buffer.bytes, room.bytes)
  t.equal(buffer.view().toString(), 'bc'.repeat(1000))
  t.equal(buffer.release().toString(), 'bc'.repeat(1000))
  t.strictSame([buffer.bytes, room.bytes], [0, 0])
})

t.test('where there is no room, what is kept stays as it is', async t => {
  const room = new SharedByteAllowance(10_000)
  const buffer = new CountedBuffer(room)
  t.ok(buffer.append(Buffer.from('first'), 0, 5))
  const { bytes } = buffer
  t.notOk(buffer.append(Buffer.alloc(20_000), 0, 20_000))
  t.notOk(buffer.reserve(20_000))
  t.strictSame([buffer.view().toString(), buffer.bytes, room.bytes], ['first', bytes, bytes])
})

t.test('what is reserved is taken once', async t => {
  const room = new SharedByteAllowance(100_000)
  const buffer = new CountedBuffer(room)
  t.ok(buffer.reserve(5000))
  const { bytes } = buffer
  t.ok(bytes >= 5000)
  t.ok(buffer.append(Buffer.alloc(5000), 0, 5000))
  t.ok(buffer.reserve(100))
  t.equal(buffer.bytes, bytes)
})
