import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import { Pipe } from '../../../../lib/bridge/pipe/pipe.ts'
import {
  type ControlPing,
  controlSecret,
  decodeControlPing,
  encodeControlPing,
} from '../../../../lib/rehome/control-pings.ts'
import { AddressFinder } from '../../../../lib/websocket/addressing/address-finder.ts'
import { SharedByteAllowance } from '../../../../lib/websocket/byte-allowance.ts'
import { FirstMessage } from '../../../../lib/websocket/first-message.ts'
import { encodeClose, encodeFrame, FrameReader, OPCODE } from '../../../../lib/websocket/frames.ts'
import type { Direction, Message } from '../../../../lib/websocket/message.ts'
import { decode } from './decode.ts'

const finderIn = (room: SharedByteAllowance, maxBytes = 1_048_576) =>
  new AddressFinder({ field: 'recipientId', withId: false, maxBytes, room })

/** What a pipe is given and what came out, read by another implementation of RFC 6455. */
interface Run {
  readonly pipe: Pipe
  readonly out: () => Buffer
  /** What the target was given in one piece each. */
  readonly chunks: readonly Buffer[]
  readonly taken: string[]
  readonly closes: string[]
  readonly controls: (ControlPing | undefined)[]
  readonly pongs: string[]
  /** Why messages were not looked at, or not held. */
  readonly unparsed: string[]
  tooBig: number
  stops: number
}

interface Given {
  readonly find?: boolean
  readonly limit?: number
  readonly secret?: Buffer
  readonly first?: FirstMessage
  readonly keepClose?: boolean
  /** Whoever takes a message writes another one to where it would have gone. */
  readonly replace?: boolean
  /** Which recipients' messages are taken out; all, unless said otherwise. */
  readonly takes?: (recipient: string) => boolean
  readonly room?: SharedByteAllowance
  readonly maxAddressed?: number
  /** Bytes up to which a message passes only whole; its memory is of `room`. */
  readonly whole?: number
  /** Whether the pipe is paused with each message that is taken. */
  readonly pauses?: boolean
}

/** Takes chunks as sockets lend them: each is something else as soon as it has been pushed. */
class LentPipe extends Pipe {
  #going = false

  override push(chunk: Buffer): boolean {
    if (this.#going) return super.push(chunk)
    const lent = Buffer.from(chunk)
    const room = super.push(lent)
    lent.fill('~')
    return room
  }

  override resume(): void {
    this.#going = true
    super.resume()
    this.#going = false
  }

  override go(): boolean {
    this.#going = true
    const room = super.go()
    this.#going = false
    return room
  }
}

function run(direction: Direction, given: Given = {}): Run {
  const {
    find = false,
    limit = 1_000_000,
    secret,
    first,
    keepClose = false,
    replace = false,
    takes = () => true,
  } = given
  const { room = new SharedByteAllowance(48 << 20), maxAddressed, whole } = given
  const chunks: Buffer[] = []
  const target = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      done()
    },
  }) as unknown as Socket
  const result = {
    chunks,
    taken: [] as string[],
    closes: [] as string[],
    controls: [] as (ControlPing | undefined)[],
    pongs: [] as string[],
    unparsed: [] as string[],
    tooBig: 0,
    stops: 0,
    out: () => {
      // What is gathered goes out at the end of the tick.
      target.uncork()
      return Buffer.concat(chunks)
    },
  }
  const pipe = new LentPipe(
    direction,
    undefined as unknown as Socket,
    target,
    {
      onCloseFrame: (_pipe, payload) => {
        result.closes.push(payload.toString('hex'))
        return !keepClose
      },
      onTooBig: () => void run.tooBig++,
      takes: (_pipe, recipient) => takes(recipient),
      onAddressed(pipe, _recipient, { data }) {
        if (given.pauses) pipe.pause()
        if (replace) void pipe.inject({ data: Buffer.from(`instead ${result.taken.length}`), binary: false })
        result.taken.push(data.toString())
      },
      onUnparsed: (_pipe, why) => void run.unparsed.push(why),
      onNoRoom(pipe) {
        run.unparsed.push('no_room')
        pipe.close(encodeClose(1013))
      },
      onControl: (_pipe, payload) => void result.controls.push(decodeControlPing(payload)),
      onPong: (_pipe, payload) => void result.pongs.push(payload.toString()),
      onStopped: () => void run.stops++,
    },
    {
      maxMessageBytes: limit,
      find: find ? finderIn(room, maxAddressed) : undefined,
      whole: whole === undefined ? undefined : { maxBytes: whole, room },
      secret,
      first,
    },
  )
  const run: Run = Object.assign(result, { pipe })
  return run
}

const cut = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set(cuts.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...places, bytes.length]
    .map((end, n) => bytes.subarray(n === 0 ? 0 : (places[n - 1] as number), end))
    .filter(part => part.length > 0)
}

const payload = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '{"recipientId":"bob","text":"x"}',
      ' {"recipientId":"zoë"}',
      `{"recipientId":"bob","pad":"${'x'.repeat(300)}"}`,
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', 'hi', '{"a":1}', '{"recipientId":1}', '[1]', `{"pad":"${'y'.repeat(70_000)}"}`),
  },
  fc.string({ maxLength: 20 }),
)
const message = fc.record({
  text: payload,
  binary: fc.boolean(),
  fragments: fc.integer({ min: 1, max: 3 }),
  control: fc.constantFrom('', 'ping', 'pong'),
  mask: fc.nat(0xffffffff),
})
type Sent = typeof message extends fc.Arbitrary<infer M> ? M : never

function encode(sent: readonly Sent[], direction: Direction): Buffer {
  const parts: Buffer[] = []
  for (const { text, binary, fragments, control, mask } of sent) {
    const data = Buffer.from(text)
    const key = direction === 'inbound' ? mask : undefined
    for (let n = 0; n < fragments; n++) {
      const piece = data.subarray((n * data.length) / fragments, ((n + 1) * data.length) / fragments)
      const frame = encodeFrame(n > 0 ? OPCODE.CONTINUATION : binary ? OPCODE.BINARY : OPCODE.TEXT, piece, key)
      if (n < fragments - 1) frame[0] = (frame[0] as number) & 0x7f
      parts.push(frame)
      if (control) parts.push(encodeFrame(control === 'ping' ? OPCODE.PING : OPCODE.PONG, Buffer.from(`c${n}`), key))
    }
  }
  return Buffer.concat(parts)
}

const isAddressed = ({ text, binary }: Sent) =>
  !binary && finderIn(new SharedByteAllowance(0)).find(Buffer.from(text)) !== undefined
const shown = ({ text, binary }: { text: string; binary: boolean }) =>
  `${binary ? 'b' : 't'}${Buffer.from(text).toString('latin1')}`
const both = fc.constantFrom<Direction>('inbound', 'outbound')
const cuts = fc.array(fc.nat(), { maxLength: 12 })

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

t.test('messages are not parsed, and one that nobody takes passes as it came', async t => {
  const parse = t.capture(JSON, 'parse', JSON.parse)
  const { pipe, taken, out } = run('inbound', { find: true, takes: recipient => recipient !== 'ann' })
  const frames = ['{"text":"hi"}', '{"recipientId":"ann"}', '{recipientId:1}', `{"a":"${'x'.repeat(70_000)}"}`].map(
    text => encodeFrame(OPCODE.TEXT, Buffer.from(text), 7),
  )
  for (const frame of [...frames, encodeFrame(OPCODE.TEXT, Buffer.from('{"recipientId":"bob"}'), 7)]) {
    pipe.push(frame.subarray(0, 20))
    pipe.push(frame.subarray(20))
    pipe.push(frame)
  }
  t.strictSame(parse(), [])
  t.equal(taken.length, 2)
  t.ok(out().equals(Buffer.concat(frames.flatMap(frame => [frame, frame]))))
})

t.test('addressed messages are taken out; everything else passes, in order, as it came', async () => {
  await fc.assert(
    fc.asyncProperty(both, fc.array(message, { maxLength: 5 }), cuts, async (direction, sent, places) => {
      const { pipe, out, taken } = run(direction, { find: true })
      for (const chunk of cut(encode(sent, direction), places)) pipe.push(chunk)
      const decoded = await decode(out(), direction)
      assert.equal(decoded.error, undefined)
      assert.deepEqual(decoded.messages, sent.filter(one => !isAddressed(one)).map(shown))
      assert.deepEqual(
        taken,
        sent.filter(isAddressed).map(({ text }) => text),
      )
      const controls = sent.flatMap(({ control, fragments }) =>
        control ? Array.from({ length: fragments }, (_, n) => `${control} c${n}`) : [],
      )
      assert.deepEqual(decoded.controls, controls)
    }),
    { seed: 12, numRuns: 200 },
  )
})

t.test('what is written in place of an addressed message comes in its place', async () => {
  await fc.assert(
    fc.asyncProperty(both, fc.array(message, { maxLength: 5 }), cuts, async (direction, sent, places) => {
      const { pipe, out } = run(direction, { find: true, replace: true })
      for (const chunk of cut(encode(sent, direction), places)) pipe.push(chunk)
      const decoded = await decode(out(), direction)
      assert.equal(decoded.error, undefined)
      let taken = 0
      assert.deepEqual(
        decoded.messages,
        sent.map(one => (isAddressed(one) ? `tinstead ${taken++}` : shown(one))),
      )
    }),
    { seed: 14, numRuns: 200 },
  )
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

t.test('messages of others go in between messages, each once and in their order', async () => {
  await fc.assert(
    fc.asyncProperty(
      both,
      fc.boolean(),
      fc.array(message, { maxLength: 4 }),
      cuts,
      fc.array(fc.nat(12), { maxLength: 6 }),
      async (direction, find, sent, places, when) => {
        const { pipe, out } = run(direction, { find })
        const injected: { text: string; binary: boolean }[] = []
        const results: Promise<boolean>[] = []
        const chunks = cut(encode(sent, direction), places)
        for (const [n, chunk] of chunks.entries()) {
          for (const [i, place] of when.entries()) {
            if (place !== n) continue
            const one = { text: `injected ${i}`, binary: i % 2 === 0 }
            injected.push(one)
            results.push(pipe.inject({ data: Buffer.from(one.text), binary: one.binary }))
          }
          pipe.push(chunk)
        }
        const decoded = await decode(out(), direction)
        assert.equal(decoded.error, undefined)
        assert.deepEqual(
          await Promise.all(results),
          results.map(() => true),
        )
        const theirs = decoded.messages.filter(text => text.slice(1).startsWith('injected'))
        assert.deepEqual(theirs, injected.map(shown))
        assert.deepEqual(
          decoded.messages.filter(text => !theirs.includes(text)),
          sent.filter(one => !find || !isAddressed(one)).map(shown),
        )
      },
    ),
    { seed: 14, numRuns: 200 },
  )
})

t.test('our close frame comes between two frames, and is the last', async () => {
  await fc.assert(
    fc.asyncProperty(
      both,
      fc.boolean(),
      fc.array(message, { maxLength: 4 }),
      cuts,
      fc.nat(12),
      async (direction, find, sent, places, when) => {
        const { pipe, out } = run(direction, { find })
        const chunks = cut(encode(sent, direction), places)
        for (const [n, chunk] of chunks.entries()) {
          if (n === when) pipe.close(encodeClose(1012, 'bye'))
          pipe.push(chunk)
        }
        pipe.close(encodeClose(1012, 'bye'))
        const decoded = await decode(out(), direction)
        assert.equal(decoded.error, undefined)
        assert.equal(decoded.controls.at(-1), 'close 1012 bye')
        assert.equal(decoded.controls.filter(control => control.startsWith('close')).length, 1)
        const passed = sent.filter(one => !find || !isAddressed(one)).map(shown)
        assert.deepEqual(decoded.messages, passed.slice(0, decoded.messages.length), 'what passed before it is whole')
        assert.equal(await pipe.inject({ data: Buffer.from('late'), binary: false }), false)
      },
    ),
    { seed: 15, numRuns: 200 },
  )
})

t.test('the source’s close frame is seen, however it is cut', async t => {
  for (const direction of ['inbound', 'outbound'] as const) {
    for (const text of [encodeClose(), encodeClose(1000), encodeClose(4000, 'some reason')]) {
      const frame = encodeFrame(OPCODE.CLOSE, text, direction === 'inbound' ? 0x01020304 : undefined)
      for (let place = 0; place < frame.length; place++) {
        for (const find of [false, true]) {
          const { pipe, out, closes } = run(direction, { find })
          for (const chunk of cut(frame, [place])) pipe.push(chunk)
          t.strictSame(closes, [text.toString('hex')])
          t.ok(pipe.closedBySource)
          t.ok(out().equals(frame))
        }
      }
    }
  }
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

t.test('a source that ends in the middle of a message: the target gets what there was', async t => {
  const frame = encodeFrame(OPCODE.TEXT, Buffer.from('{"recipientId":"bob"}'), 7)
  for (let end = 1; end < frame.length; end++) {
    const { pipe, out } = run('inbound', { find: true })
    const waiting =
      pipe.push(frame.subarray(0, end)) && end > 6 ? pipe.inject({ data: Buffer.from('x'), binary: false }) : undefined
    pipe.finish()
    t.ok(out().length >= end)
    if (waiting) await waiting
  }
})

t.test('an addressed message may begin with an empty fragment', async t => {
  const first = encodeFrame(OPCODE.TEXT, Buffer.alloc(0), 1)
  first[0] = OPCODE.TEXT
  const text = '{"recipientId":"bob"}'
  const { pipe, out, taken } = run('inbound', { find: true })
  pipe.push(Buffer.concat([first, encodeFrame(OPCODE.CONTINUATION, Buffer.from(text), 2)]))
  t.strictSame(taken, [text])
  t.equal(out().length, 0)
})

/** A message in frames of one byte each. */
const inPieces = (text: string) =>
  [...Buffer.from(text)].map((byte, n) => {
    const frame = encodeFrame(n === 0 ? OPCODE.TEXT : OPCODE.CONTINUATION, Buffer.of(byte), n + 1)
    if (n < text.length - 1) frame[0] = (frame[0] as number) & 0x7f
    return frame
  })

t.test('a message in very many pieces is looked at like any other', async t => {
  const text = `{"recipientId":"bob","pad":"${'x'.repeat(3000)}"}`
  const { pipe, out, taken } = run('inbound', { find: true })
  for (const piece of inPieces(text)) pipe.push(piece)
  t.strictSame(taken, [text])
  t.equal(out().length, 0)
})

t.test('a message that is too large is not looked at: it passes as it came, from there on as it comes', async t => {
  const text = `{"recipientId":"bob","pad":"${'x'.repeat(980)}"}`
  const whole = encodeFrame(OPCODE.TEXT, Buffer.from(text), 7)
  const room = new SharedByteAllowance(100_000)
  const { pipe, out, taken, unparsed } = run('inbound', { find: true, room, maxAddressed: 1000 })
  pipe.push(whole)
  pipe.push(whole.subarray(0, 20))
  t.equal(out().length, whole.length + 20)
  t.equal(room.bytes, 0, 'nothing of it is held')
  pipe.push(whole.subarray(20))
  for (const piece of inPieces(text)) {
    const before = out().length
    pipe.push(piece)
    t.notOk(room.bytes > 0 && out().length > before, 'nor of its fragments, once they are too many')
  }
  t.equal(room.bytes, 0)
  t.strictSame(unparsed, ['too_large', 'too_large', 'too_large'])
  t.strictSame(out(), Buffer.concat([whole, whole, ...inPieces(text)]))
  pipe.push(encodeFrame(OPCODE.TEXT, Buffer.from('{"recipientId":"bob"}'), 7))
  t.equal(taken.length, 1, 'the next one is looked at')
})

t.test('what turns out not to be addressed passes at once, not at its end', async t => {
  const header = encodeFrame(OPCODE.TEXT, Buffer.alloc(2000), 0).subarray(0, 8)
  for (const [begin, why] of [
    ['{"a":tru ', []],
    [' [1,2', []],
    [`{"a":${'['.repeat(513)}`, ['too_deep']],
  ] as const) {
    const room = new SharedByteAllowance(100_000)
    const { pipe, out, unparsed } = run('inbound', { find: true, room })
    const bytes = Buffer.concat([header, Buffer.from(begin)])
    pipe.push(bytes)
    t.strictSame(out(), bytes, begin.slice(0, 10))
    t.strictSame([room.bytes, unparsed], [0, why])
  }
})

t.test('a stop comes between two messages, and what follows passes when it goes on, to another target', async () => {
  await fc.assert(
    fc.asyncProperty(
      both,
      fc.array(message, { minLength: 1, maxLength: 5 }),
      cuts,
      fc.nat(12),
      fc.nat(3),
      async (direction, sent, places, when, later) => {
        const result = run(direction)
        const { pipe, out } = result
        const second: Buffer[] = []
        const other = new Writable({
          write(chunk, _encoding, done) {
            second.push(Buffer.from(chunk))
            done()
          },
        }) as unknown as Socket
        const chunks = cut(encode(sent, direction), places)
        let stoppedFor = 0
        for (const [n, chunk] of chunks.entries()) {
          if (n === when) pipe.stop()
          pipe.push(chunk)
          if (pipe.stopped && stoppedFor++ === later) {
            pipe.target = other
            pipe.go()
          }
        }
        if (pipe.stopped) {
          pipe.target = other
          pipe.go()
        }
        assert.equal(result.stops, when < chunks.length ? 1 : 0)
        const [before, after] = await Promise.all([decode(out(), direction), decode(Buffer.concat(second), direction)])
        assert.equal(before.error, undefined)
        assert.equal(after.error, undefined)
        assert.deepEqual([...before.messages, ...after.messages], sent.map(shown), 'each whole, on one side')
      },
    ),
    { seed: 16, numRuns: 300 },
  )
})

t.test('control pings of who knows the secret are taken out, however they are cut; other pings pass', async t => {
  const secret = controlSecret()
  const given: ControlPing[] = [{ type: 'drain' }, { type: 'move', member: '10.0.0.7:3000' }, { type: 'ended' }]
  for (const direction of ['inbound', 'outbound'] as const) {
    const mask = direction === 'inbound' ? 0x01020304 : undefined
    const text = encodeFrame(OPCODE.TEXT, Buffer.from('hello'), mask)
    const foreign = encodeFrame(OPCODE.PING, encodeControlPing(controlSecret(), { type: 'drain' }), mask)
    for (const control of given) {
      const ping = encodeFrame(OPCODE.PING, encodeControlPing(secret, control), mask)
      const bytes = Buffer.concat([text, ping, foreign, text])
      for (let place = 0; place < bytes.length; place++) {
        const { pipe, out, controls } = run(direction, { secret })
        for (const chunk of cut(bytes, [place])) pipe.push(chunk)
        t.strictSame(controls, [control])
        t.ok(out().equals(Buffer.concat([text, foreign, text])))
      }
    }
  }
})

t.test('a close frame that is kept passes when it may', async t => {
  const { pipe, out, closes } = run('outbound', { keepClose: true })
  const frame = encodeFrame(OPCODE.CLOSE, encodeClose(1012, 'restart'))
  pipe.push(frame.subarray(0, 1))
  pipe.push(frame.subarray(1))
  t.strictSame(closes, [encodeClose(1012, 'restart').toString('hex')])
  t.equal(out().length, 0)
  pipe.passClose()
  t.ok(out().equals(frame))
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

t.test('the pong to a ping of ours does not pass, other pongs do', async t => {
  const { pipe, out, pongs } = run('outbound')
  const ours = encodeFrame(OPCODE.PONG, Buffer.from('ours'))
  const theirs = encodeFrame(OPCODE.PONG, Buffer.from('them'))
  pipe.expectPong(Buffer.from('ours'))
  pipe.push(Buffer.concat([theirs, ours, ours]))
  t.strictSame(pongs, ['ours'])
  t.ok(out().equals(Buffer.concat([theirs, ours])), 'only the first of them is the answer')
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

t.test('a ping of ours goes between two fragments of a message that is under way', async t => {
  const { pipe, out } = run('outbound')
  const first = encodeFrame(OPCODE.TEXT, Buffer.from('a'.repeat(1000)))
  first[0] = OPCODE.TEXT
  const last = encodeFrame(0, Buffer.from('b'))
  pipe.push(first.subarray(0, 500))
  const written = pipe.control(OPCODE.PING, Buffer.from('here?'))
  pipe.push(first.subarray(500))
  t.equal(await written, true)
  pipe.push(last)
  t.strictSame(out(), Buffer.concat([first, encodeFrame(OPCODE.PING, Buffer.from('here?')), last]))
})

const large = encodeFrame(OPCODE.TEXT, Buffer.from(JSON.stringify({ recipientId: 'bob', text: 'x'.repeat(500) })), 7)

t.test('a message for which there is no room does not pass: the connection is closed', async t => {
  const room = new SharedByteAllowance(10_000)
  const { pipe, out, taken, unparsed } = run('outbound', { find: true, room })
  const message = encodeFrame(OPCODE.TEXT, Buffer.from(JSON.stringify({ recipientId: 'bob', text: 'x'.repeat(9000) })))
  pipe.push(message.subarray(0, 100))
  t.ok(room.bytes > 0)
  pipe.push(message.subarray(100, 8000))
  t.strictSame(unparsed, ['no_room'])
  pipe.push(message.subarray(8000))
  t.strictSame(taken, [])
  t.equal(room.bytes, 0, 'nothing stays taken')
  t.strictSame((await decode(out(), 'outbound')).controls, ['close 1013 '])
})

t.test('also where the connection is closed already, nothing of it passes', async t => {
  const room = new SharedByteAllowance(100)
  const { pipe, out } = run('outbound', { find: true, room })
  pipe.listener.onNoRoom = () => {}
  const message = encodeFrame(OPCODE.TEXT, Buffer.from('{"recipientId":"bob"}'))
  pipe.push(message.subarray(0, 10))
  pipe.push(message.subarray(10))
  pipe.finish()
  t.strictSame([out().length, room.bytes], [0, 0])
})

t.test('steps of the clock are counted for a message that is held', async t => {
  const { pipe } = run('inbound', { find: true })
  t.equal(pipe.age(), 0)
  pipe.push(large.subarray(0, 100))
  t.strictSame([pipe.age(), pipe.age()], [1, 2])
  pipe.push(large.subarray(100))
  pipe.push(large.subarray(0, 100))
  t.equal(pipe.age(), 1, 'the next one is young')
})

t.test('what is held of a message whose target has gone is given up, and no longer counts', async t => {
  const room = new SharedByteAllowance(100_000)
  const { pipe, out } = run('inbound', { find: true, room })
  pipe.push(large.subarray(0, 100))
  t.ok(room.bytes > 0)
  pipe.abandon()
  t.equal(room.bytes, 0)
  pipe.push(large.subarray(100))
  t.strictSame([out().length, room.bytes], [0, 0])
})

t.test('a message that is held counts as memory of its connection, and so does what came after a stop', async t => {
  const room = new SharedByteAllowance(1_000_000)
  const { pipe } = run('inbound', { find: true, room })
  const frame = encodeFrame(OPCODE.TEXT, Buffer.from(`{"recipientId":"bob","x":"${'x'.repeat(50_000)}"}`), 7)
  pipe.push(frame.subarray(0, 40_000))
  t.ok(pipe.heldBytes >= 40_000, `${pipe.heldBytes} bytes`)
  t.equal(pipe.heldBytes, room.bytes)
  pipe.push(frame.subarray(40_000))
  t.equal(pipe.heldBytes, 0)
  pipe.stop()
  pipe.push(frame)
  t.equal(pipe.heldBytes, frame.length)
  pipe.go()
  t.equal(pipe.heldBytes, 0)
})

t.test('a frame that several connections get is written as it is to clients, and masked to the app', async t => {
  const data = Buffer.from('hello')
  const frame = encodeFrame(OPCODE.TEXT, data)
  for (const direction of ['outbound', 'inbound'] as const) {
    const { pipe, out } = run(direction)
    await pipe.inject({ data, binary: false, frame })
    t.strictSame((await decode(out(), direction)).messages, ['thello'])
    t.equal(out().equals(frame), direction === 'outbound')
  }
})

/** Messages to others, and some that pass, as one chunk of masked frames. */
const flood = (count: number) =>
  Buffer.concat(
    Array.from({ length: count }, (_, n) =>
      encodeFrame(OPCODE.TEXT, Buffer.from(n % 3 === 2 ? `plain ${n}` : `{"recipientId":"u${n}"}`), 0x01020304 + n),
    ),
  )

t.test('a paused pipe takes no further message of the same chunk, nor of later ones', t => {
  const { pipe, taken, out } = run('inbound', { find: true, pauses: true })
  const all = flood(300)
  const cut = Math.floor(all.length / 2)
  pipe.push(all.subarray(0, cut))
  pipe.push(all.subarray(cut))
  t.equal(taken.length, 1)
  t.equal(pipe.stashedBytes, all.length - encodeFrame(OPCODE.TEXT, Buffer.from('{"recipientId":"u0"}'), 1).length)
  for (let n = 2; n <= 200; n++) {
    pipe.resume()
    t.equal(taken.length, n)
  }
  pipe.resume()
  t.equal(pipe.stashedBytes, 0)
  t.strictSame(
    taken,
    Array.from({ length: 300 }, (_, n) => `{"recipientId":"u${n}"}`).filter((_, n) => n % 3 !== 2),
    'each once, in order',
  )
  t.ok(out().length > 0, 'what is not addressed has passed')
  t.end()
})

t.test('what waits in a paused pipe is taken when its source ends, and read for the answer when we close', t => {
  const ends = run('inbound', { find: true, pauses: true })
  ends.pipe.push(flood(30))
  ends.pipe.finish()
  t.equal(ends.taken.length, 20)

  const closes = run('inbound', { find: true, pauses: true })
  closes.pipe.push(Buffer.concat([flood(30), encodeFrame(OPCODE.CLOSE, encodeClose(1000), 5)]))
  closes.pipe.close(encodeClose(1001))
  closes.pipe.go()
  t.equal(closes.taken.length, 1)
  t.strictSame(closes.closes, ['03e8'])
  t.end()
})

t.test('a pipe that is stopped while it is paused stays stopped when the pause ends', t => {
  const { pipe, taken } = run('inbound', { find: true, pauses: true })
  pipe.push(flood(9))
  pipe.stop()
  t.ok(pipe.stopped)
  pipe.resume()
  t.equal(taken.length, 1)
  pipe.go()
  t.equal(taken.length, 2, 'and pauses again')
  t.end()
})

/** Offsets at which no message is under way. */
function boundariesOf(bytes: Buffer): Set<number> {
  const reader = new FrameReader(false, Number.POSITIVE_INFINITY)
  const boundaries = new Set([0])
  for (let offset = 0; offset < bytes.length; offset = reader.position) {
    reader.read(bytes, offset)
    if (reader.betweenMessages) boundaries.add(reader.position)
  }
  return boundaries
}

t.test('where messages pass only whole, no part of one does; all have in the end, as they came', async () => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), cuts, fc.boolean(), (sent, places, waits) => {
      const bytes = encode(sent, 'outbound')
      const boundaries = boundariesOf(bytes)
      const room = new SharedByteAllowance(48 << 20)
      const { pipe, out } = run('outbound', { whole: 100_000, room })
      // With something to wait for, frames are gone through one by one.
      if (waits) pipe.expectPong(Buffer.from('a pong that never comes'))
      let pushed = 0
      for (const chunk of cut(bytes, places)) {
        pipe.push(chunk)
        pushed += chunk.length
        const passed = out().length
        const due = Math.max(...[...boundaries].filter(place => place <= pushed))
        // The beginning of a header is kept for itself.
        if (passed > due || !boundaries.has(passed)) throw new Error(`${passed} of ${pushed} bytes have passed`)
        if (passed !== due) throw new Error(`${due - passed} bytes of whole messages wait`)
        if (!pipe.betweenMessages) throw new Error('the target is in the middle of a message')
      }
      if (!out().equals(bytes)) throw new Error('other bytes')
      if (room.bytes !== 0) throw new Error(`${room.bytes} bytes stay taken`)
    }),
    { seed: 17, numRuns: 300 },
  )
})

t.test(
  'a message that is too large, has no room or takes too long passes as it comes; the next one whole again',
  async t => {
    const frame = encodeFrame(OPCODE.BINARY, Buffer.alloc(3000, 'x'))
    for (const [why, given, steps] of [
      ['too large', { whole: 2999 }, 0],
      ['no room', { whole: 9999, room: new SharedByteAllowance(5000) }, 0],
      ['too slow', { whole: 9999 }, 2],
    ] as const) {
      const { pipe, out } = run('outbound', given)
      pipe.push(frame.subarray(0, 1000))
      for (let n = 0; n < steps; n++) pipe.age()
      t.equal(out().length, 1000, why)
      t.notOk(pipe.betweenMessages)
      pipe.push(frame.subarray(1000, 2000))
      t.equal(out().length, 2000, why)
      pipe.push(frame.subarray(2000))
      pipe.push(encodeFrame(OPCODE.TEXT, Buffer.from('next')).subarray(0, 4))
      t.strictSame([out().length, pipe.betweenMessages], [frame.length, true], why)
    }
  },
)

t.test('what is put in while a part is kept comes before it, and at once', async t => {
  const { pipe, out } = run('outbound', { whole: 1000 })
  const frame = encodeFrame(OPCODE.TEXT, Buffer.from('theirs'))
  pipe.push(frame.subarray(0, 4))
  t.ok(await pipe.control(OPCODE.PING, Buffer.from('ours')))
  t.ok(await pipe.inject({ data: Buffer.from('ours'), binary: false }))
  pipe.push(frame.subarray(4))
  t.strictSame(await decode(out(), 'outbound'), {
    messages: ['tours', 'ttheirs'],
    controls: ['ping ours'],
    error: undefined,
  })
})

t.test('a stop waits for the rest of a message of which a part is kept', async t => {
  const { pipe, out } = run('outbound', { whole: 1000 })
  const frame = encodeFrame(OPCODE.TEXT, Buffer.from('theirs'))
  pipe.push(frame.subarray(0, 4))
  pipe.stop()
  t.notOk(pipe.stopped)
  pipe.push(Buffer.concat([frame.subarray(4), frame]))
  t.ok(pipe.stopped)
  t.strictSame(out(), frame)
  pipe.go()
  t.strictSame(out(), Buffer.concat([frame, frame]))
})

t.test(
  'a source that ends within a message: its part passes with its end, before its close frame, or not at all',
  async t => {
    const part = encodeFrame(OPCODE.TEXT, Buffer.from('part'))
    part[0] = OPCODE.TEXT
    const close = encodeFrame(OPCODE.CLOSE, encodeClose(1001))
    const ends: [string, boolean, (pipe: Pipe) => void, Buffer][] = [
      ['its end', false, pipe => pipe.finish(), part],
      ['its close frame', false, pipe => pipe.push(close), Buffer.concat([part, close])],
      ['its close frame, kept', true, pipe => pipe.push(close), Buffer.alloc(0)],
      [
        'its close frame, kept for a while',
        true,
        pipe => {
          pipe.push(close)
          pipe.passClose()
        },
        Buffer.concat([part, close]),
      ],
      ['a close frame of ours', false, pipe => pipe.close(encodeClose(1001)), close],
      ['nobody', false, pipe => pipe.abandon(), Buffer.alloc(0)],
    ]
    for (const [what, keepClose, end, expected] of ends) {
      const room = new SharedByteAllowance(48 << 20)
      const { pipe, out } = run('outbound', { whole: 1000, room, keepClose })
      pipe.push(part)
      t.equal(out().length, 0, what)
      end(pipe)
      t.strictSame(out(), expected, what)
      pipe.abandon()
      t.equal(room.bytes, 0, what)
    }
  },
)

t.test('what is kept of a message counts as memory of its connection', async t => {
  const room = new SharedByteAllowance(48 << 20)
  const { pipe } = run('outbound', { whole: 100_000, room })
  pipe.push(encodeFrame(OPCODE.BINARY, Buffer.alloc(50_000)).subarray(0, 40_000))
  t.ok(pipe.heldBytes >= 40_000)
  t.equal(pipe.heldBytes, room.bytes)
})
