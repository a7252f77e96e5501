import fc from 'fast-check'
import t from 'tap'
import { encodeClose, encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'
import { MessageReader } from '../../../../sidecar/receive/shadows/message-reader.ts'

/** What a reader hears in chunks, and what was wrong. */
function hear(chunks: readonly Buffer[], limit = 1000) {
  const heard: string[] = []
  const note = (kind: string) => (payload: Buffer) => void heard.push(`${kind} ${payload.toString('hex')}`)
  const reader = new MessageReader(limit, {
    onMessage: ({ data, binary }) => note(binary ? 'binary' : 'text')(data),
    onPing: note('ping'),
    onPong: note('pong'),
    onClose: note('close'),
  })
  let problem = 0
  for (const chunk of chunks) {
    problem ||= reader.push(chunk)
    // Chunks are lent.
    chunk.fill(0xff)
  }
  return { heard, problem }
}

/** A message in pieces, with pings between them. */
function fragments(data: Buffer, binary: boolean, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map(n => n % (data.length + 1)))].sort((a, b) => a - b)
  const pieces = [0, ...places].map((start, i) => data.subarray(start, places[i] ?? data.length))
  return pieces.flatMap((piece, i) => {
    const frame = encodeFrame(i > 0 ? OPCODE.CONTINUATION : binary ? OPCODE.BINARY : OPCODE.TEXT, piece)
    if (i < pieces.length - 1) frame[0] = (frame[0] as number) & 0x7f
    return i === 0 ? [frame] : [encodeFrame(OPCODE.PING, Buffer.of(i & 0xff)), frame]
  })
}

t.test('messages come out as they went in, however they are fragmented and cut', async t => {
  const message = fc.record({
    data: fc.uint8Array({ maxLength: 400 }).map(bytes => Buffer.from(bytes)),
    binary: fc.boolean(),
    cuts: fc.array(fc.nat(), { maxLength: 4 }),
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 20 }), (messages, cuts) => {
      const bytes = Buffer.concat(messages.flatMap(({ data, binary, cuts }) => fragments(data, binary, cuts)))
      const places = [...new Set(cuts.map(n => n % (bytes.length + 1)))].sort((a, b) => a - b)
      const chunks = [0, ...places].map((start, i) => Buffer.from(bytes.subarray(start, places[i] ?? bytes.length)))
      const { heard, problem } = hear(chunks)
      const expected = messages.map(({ data, binary }) => `${binary ? 'binary' : 'text'} ${data.toString('hex')}`)
      const got = heard.filter(line => !line.startsWith('ping'))
      if (problem !== 0 || JSON.stringify(got) !== JSON.stringify(expected)) throw new Error(JSON.stringify(got))
    }),
    { numRuns: 300 },
  )
  t.pass()
})

t.test('control frames are told with their payloads; what is no stream is told by its code', async t => {
  const frames = [
    encodeFrame(OPCODE.PING, Buffer.from('a')),
    encodeFrame(OPCODE.PONG, Buffer.alloc(0)),
    encodeFrame(OPCODE.CLOSE, encodeClose(1001, 'x')),
  ]
  t.strictSame(hear([Buffer.concat(frames)]), { heard: ['ping 61', 'pong ', 'close 03e978'], problem: 0 })
  t.equal(hear([encodeFrame(OPCODE.TEXT, Buffer.alloc(1001))]).problem, 1009)
  t.equal(hear([encodeFrame(OPCODE.TEXT, Buffer.from('x'), 1)]).problem, 1002, 'a server masks nothing')
})

t.test('nothing is read after a pause, and nothing is lost', async t => {
  const heard: string[] = []
  const reader: MessageReader = new MessageReader(1000, {
    onMessage({ data }) {
      heard.push(`${data}`)
      reader.pause()
    },
    onPing: payload => void heard.push(`ping ${payload}`),
    onPong() {},
    onClose() {},
  })
  const frames = ['a', 'b'].map(text => encodeFrame(OPCODE.TEXT, Buffer.from(text)))
  const chunk = Buffer.concat([...frames, encodeFrame(OPCODE.PING, Buffer.from('p'))])
  t.equal(reader.push(chunk), 0)
  t.equal(reader.heldBytes, chunk.length - (frames[0] as Buffer).length)
  reader.push(encodeFrame(OPCODE.TEXT, Buffer.from('c')))
  chunk.fill(0xff)
  t.strictSame(heard, ['a'])
  t.equal(reader.resume(), 0)
  t.strictSame(heard, ['a', 'b'])
  t.ok(reader.hasRest)
  reader.resume()
  t.strictSame(heard, ['a', 'b', 'ping p', 'c'])
  t.notOk(reader.hasRest)
  t.equal(reader.heldBytes, 0)
})
