import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { FirstMessage } from '../../../../lib/websocket/first-message.ts'
import { encodeClose, encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'
import type { Message } from '../../../../lib/websocket/message.ts'
import { run } from './pipe-run.ts'
import { both, cut, cuts, encode, isAddressed, message } from './streams.ts'

t.test('bytes pass as they came, whatever they are and however they are cut', async () => {
  fc.assert(
    fc.property(
      both,
      fc.array(message, { maxLength: 5 }),
      fc.uint8Array({ maxLength: 20 }),
      cuts,
      (direction, sent, noise, places) => {
        const bytes = Buffer.concat([encode(sent, direction), noise])
        const { pipe, out } = run(direction)
        for (const chunk of cut(bytes, places)) pipe.push(chunk)
        pipe.finish()
        assert.ok(out().equals(bytes))
      },
    ),
    { seed: 11, numRuns: 200 },
  )
})

t.test('frames that come in one chunk leave in one write', async t => {
  const text = '{"text":"nobody in particular"}'
  for (const direction of ['inbound', 'outbound'] as const) {
    const frame = encodeFrame(OPCODE.TEXT, Buffer.from(text), direction === 'inbound' ? 7 : undefined)
    for (const find of [false, true]) {
      const { pipe, chunks } = run(direction, { find })
      const bytes = Buffer.concat(Array(100).fill(frame))
      pipe.push(bytes)
      t.equal(chunks.length, 1, `${direction}, addressed: ${find}`)
      t.ok(chunks[0]?.equals(bytes))
    }
  }
})

t.test('without anything addressed, every byte passes in its order', async () => {
  fc.assert(
    fc.property(both, fc.array(message, { maxLength: 5 }), cuts, (direction, sent, places) => {
      const bytes = encode(
        sent.filter(one => !isAddressed(one)).map(one => ({ ...one, control: '' })),
        direction,
      )
      const { pipe, out } = run(direction, { find: true })
      for (const chunk of cut(bytes, places)) pipe.push(chunk)
      assert.ok(out().equals(bytes))
    }),
    { seed: 13, numRuns: 200 },
  )
})

t.test('a message above the limit: what came before passes, the frame does not', async t => {
  for (const find of [false, true]) {
    const result = run('outbound', { find, limit: 10 })
    const good = encodeFrame(OPCODE.TEXT, Buffer.from('0123456789'))
    result.pipe.push(Buffer.concat([good, encodeFrame(OPCODE.TEXT, Buffer.from('{"x":"too long"}'))]))
    t.equal(result.tooBig, 1)
    t.ok(result.out().equals(good))
  }
})

t.test('what is no frame passes unread, and nobody can put anything in any more', async t => {
  const { pipe, out } = run('inbound', { find: true })
  const held = encodeFrame(OPCODE.TEXT, Buffer.from('{"half":1'), 1)
  held[0] = OPCODE.TEXT
  const bytes = Buffer.concat([held, Buffer.of(0xff, 0xff, 1, 2, 3)])
  pipe.push(bytes)
  pipe.push(Buffer.from('more'))
  t.ok(out().equals(Buffer.concat([bytes, Buffer.from('more')])), 'also what was held')
  t.equal(await pipe.inject({ data: Buffer.from('x'), binary: false } satisfies Message), false)
})

t.test('what comes after a close frame that is kept stays behind it, or is never seen', async t => {
  const frame = encodeFrame(OPCODE.CLOSE, encodeClose(1001))
  const late = encodeFrame(OPCODE.TEXT, Buffer.from('late'))
  late[0] = OPCODE.TEXT
  const bytes = Buffer.concat([frame, late, late])
  for (let place = 0; place < bytes.length; place++) {
    const { pipe, out } = run('outbound', { keepClose: true })
    for (const chunk of cut(bytes, [place])) pipe.push(chunk)
    t.equal(out().length, 0)
    t.ok(pipe.betweenMessages, 'whoever takes over can begin here')
    pipe.passClose()
    pipe.go()
    t.ok(out().equals(bytes))
  }
})

t.test('the first text message is recorded, whole, within its limit, and everything passes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 4 }), cuts, async (sent, places) => {
      const first = new FirstMessage(1000)
      const { pipe, out } = run('inbound', { first })
      const bytes = encode(sent, 'inbound')
      for (const chunk of cut(bytes, places)) pipe.push(chunk)
      const text = sent.find(({ binary }) => !binary)?.text
      const fits = text !== undefined && Buffer.byteLength(text) <= 1000
      assert.equal(first.payload?.toString(), fits ? text : undefined)
      assert.ok(out().equals(bytes))
    }),
    { seed: 17, numRuns: 200 },
  )
})
