import fc from 'fast-check'
import t from 'tap'
import { decodeMessage, encodeMessage } from '../../../lib/websocket/message.ts'

const text = (data: string) => ({ data: Buffer.from(data), binary: false })

t.test('any message survives the body of the HTTP transport', async t => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }).map(text),
        fc.uint8Array().map(data => ({ data: Buffer.from(data), binary: true })),
      ),
      message => {
        const decoded = decodeMessage(encodeMessage(message))
        return !('problem' in decoded) && decoded.binary === message.binary && decoded.data.equals(message.data)
      },
    ),
    { seed: 1 },
  )
  t.strictSame(encodeMessage(text('hi')), Buffer.from('\x01hi'), 'opcode 1, then the payload')
  t.strictSame(encodeMessage({ data: Buffer.of(0), binary: true }), Buffer.of(2, 0))
})

t.test('what is no message is told apart', async t => {
  t.match(decodeMessage(Buffer.alloc(0)), { problem: /empty/ })
  for (const opcode of [0, 3, 8, 9, 10, 255]) t.match(decodeMessage(Buffer.of(opcode)), { problem: `opcode ${opcode}` })
  t.match(decodeMessage(Buffer.of(1, 0xc3)), { problem: /UTF-8/ })
})
