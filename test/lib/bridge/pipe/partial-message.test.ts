import t from 'tap'
import { PartialMessage } from '../../../../lib/bridge/pipe/partial-message.ts'
import { SharedByteAllowance } from '../../../../lib/websocket/byte-allowance.ts'

const bytes = (length: number) => Buffer.alloc(length, 'x')
const unknown = { declared: 0, missing: undefined }

t.test('it keeps what comes, a copy, and gives it up as it came', async t => {
  const room = new SharedByteAllowance(100_000)
  const partial = new PartialMessage({ maxBytes: 1000, room })
  const chunk = Buffer.from('.first.')
  t.ok(partial.keep(chunk, 1, 6, unknown))
  chunk.fill('~')
  t.ok(partial.keep(Buffer.from(' second'), 0, 7, unknown))
  t.ok(partial.any)
  t.equal(partial.bytes, room.bytes)
  t.equal(String(partial.end()), 'first second')
  t.strictSame([partial.any, partial.bytes, room.bytes, partial.end()], [false, 0, 0, undefined])
})

t.test('memory for a message of known size is taken at once: one that has no room is not begun', async t => {
  const room = new SharedByteAllowance(20_000)
  const partial = new PartialMessage({ maxBytes: 100_000, room })
  t.notOk(partial.keep(bytes(10), 0, 10, { declared: 50_000, missing: 49_990 }))
  t.strictSame([partial.take(), room.bytes], [undefined, 0])
  t.notOk(partial.keep(bytes(10), 0, 10, unknown), 'a part of it has passed')
  partial.end()
  t.ok(partial.keep(bytes(10), 0, 10, { declared: 3000, missing: 2990 }), 'the next one has')
  const { bytes: taken } = partial
  t.ok(taken >= 3000)
  t.ok(partial.keep(bytes(2000), 0, 2000, { declared: 3000, missing: 990 }))
  t.equal(partial.bytes, taken, 'nothing more is taken for the rest')
  partial.end()
  t.equal(room.bytes, 0)
})

t.test('a message that becomes too large passes, with its rest; the next one is kept', async t => {
  const room = new SharedByteAllowance(100_000)
  const partial = new PartialMessage({ maxBytes: 1000, room })
  t.ok(partial.keep(bytes(600), 0, 600, { declared: 600, missing: undefined }))
  t.notOk(partial.keep(bytes(600), 0, 600, { declared: 1200, missing: undefined }))
  t.equal(partial.take()?.length, 600)
  t.notOk(partial.keep(bytes(10), 0, 10, { declared: 1210, missing: undefined }))
  t.equal(partial.end(), undefined)
  t.ok(partial.keep(bytes(10), 0, 10, { declared: 10, missing: undefined }))
})

t.test('after two steps of the clock what is kept passes; each message has its own time', async t => {
  const partial = new PartialMessage({ maxBytes: 1000, room: new SharedByteAllowance(100_000) })
  t.strictSame([partial.age(), partial.age()], [false, false], 'nothing is there')
  partial.keep(bytes(10), 0, 10, unknown)
  t.notOk(partial.age())
  partial.end()
  partial.keep(bytes(10), 0, 10, unknown)
  t.strictSame([partial.age(), partial.age()], [false, true])
  t.equal(partial.take()?.length, 10)
  t.notOk(partial.keep(bytes(10), 0, 10, unknown))
  t.notOk(partial.age())
})
