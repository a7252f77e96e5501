import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import fc from 'fast-check'
import t from 'tap'
import type { Pipe } from '../../../../lib/bridge/pipe/pipe.ts'
import { SharedByteAllowance } from '../../../../lib/websocket/byte-allowance.ts'
import { encodeClose, encodeFrame, FrameReader, OPCODE } from '../../../../lib/websocket/frames.ts'
import { decode } from './decode.ts'
import { run } from './pipe-run.ts'
import { both, cut, cuts, encode, isAddressed, message, shown } from './streams.ts'

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
