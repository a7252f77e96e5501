import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import t from 'tap'
import type { ListenerOf, TappedPipe } from '../../../../../lib/bridge/pipe/pipe-options.ts'
import { PipeWriter } from '../../../../../lib/bridge/pipe/pipe-writer.ts'
import { ControlTap } from '../../../../../lib/bridge/pipe/taps/control-tap.ts'
import { TAP } from '../../../../../lib/bridge/pipe/taps/tap.ts'
import { type ControlPing, controlSecret, encodeControlPing } from '../../../../../lib/rehome/control-pings.ts'
import { encodeClose, encodeFrame, FrameReader, OPCODE } from '../../../../../lib/websocket/frames.ts'
import { run } from '../pipe-run.ts'
import { cut } from '../streams.ts'

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

t.test('the pong to a ping of ours does not pass, other pongs do', async t => {
  const { pipe, out, pongs } = run('outbound')
  const ours = encodeFrame(OPCODE.PONG, Buffer.from('ours'))
  const theirs = encodeFrame(OPCODE.PONG, Buffer.from('them'))
  pipe.expectPong(Buffer.from('ours'))
  pipe.push(Buffer.concat([theirs, ours, ours]))
  t.strictSame(pongs, ['ours'])
  t.ok(out().equals(Buffer.concat([theirs, ours])), 'only the first of them is the answer')
})

interface Tapped extends TappedPipe<Tapped> {}

/** A tap alone, with the stream that it writes to; it keeps whatever it wants to hold. */
function start(given: { secret?: Buffer; passesClose?: boolean }) {
  const chunks: Buffer[] = []
  const target = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      done()
    },
  }) as unknown as Socket
  const reader = new FrameReader(false, 1000)
  const told: string[] = []
  const listener: Partial<ListenerOf<Tapped>> = {
    onCloseFrame(_pipe, payload) {
      told.push(`close ${payload.toString('hex')}`)
      return given.passesClose ?? true
    },
    onControl: (_pipe, payload) => void told.push(`control ${payload}`),
    onPong: (_pipe, payload) => void told.push(`pong ${payload}`),
  }
  const pipe: Tapped = { listener: listener as ListenerOf<Tapped>, abandon() {} }
  const tap = new ControlTap(pipe, reader, new PipeWriter(target), undefined, given.secret)
  return {
    tap,
    told,
    written: () => Buffer.concat(chunks),
    /** Gives the tap a control frame; the decisions on its steps. */
    see(frame: Buffer): number[] {
      const decisions: number[] = []
      for (let offset = 0; offset < frame.length; ) {
        const start = offset
        const step = reader.read(frame, start)
        offset = reader.position
        const decision = tap.see(step)
        decisions.push(decision)
        if (decision === TAP.HOLD) tap.keep(frame, start, offset, step)
      }
      return decisions
    },
  }
}

t.test('pings pass without a look, where nobody has a secret', async t => {
  const { tap, see, told, written } = start({})
  t.strictSame(see(encodeFrame(OPCODE.PING, Buffer.from('any'))), [TAP.PASS, TAP.PASS])
  t.strictSame([told, written().length, tap.isWaiting], [[], 0, false])
})

t.test('the listener decides whether a close frame passes now, and it is written only once', async t => {
  const frame = encodeFrame(OPCODE.CLOSE, encodeClose(1000))
  for (const passesClose of [true, false]) {
    const { tap, see, told, written } = start({ passesClose })
    t.strictSame(see(frame), [TAP.HOLD, TAP.HOLD])
    t.strictSame(told, ['close 03e8'])
    t.match(tap, { closed: true, keepsClose: !passesClose, isWaiting: !passesClose })
    t.strictSame(written(), passesClose ? frame : Buffer.alloc(0))
    tap.passClose()
    tap.passClose()
    t.strictSame(written(), frame)
    t.match(tap, { closed: true, keepsClose: false })
  }
})

t.test('a frame is needed to its end while a pong is expected, or while one is incomplete', async t => {
  const { tap, see, told, written } = start({})
  tap.expectPong(Buffer.from('ours'))
  t.ok(tap.isWaiting)
  const pong = encodeFrame(OPCODE.PONG, Buffer.from('ours'))
  see(pong.subarray(0, 3))
  tap.passRest()
  t.strictSame(written(), pong.subarray(0, 3), 'a source that ends here has sent as much')
  t.strictSame(told, [])
})

t.test('a control ping and a late answer to one do not reach the other side', async t => {
  const secret = Buffer.from('secret')
  const { see, told, written } = start({ secret })
  see(encodeFrame(OPCODE.PING, Buffer.from('secret!')))
  see(encodeFrame(OPCODE.PONG, Buffer.from('secret?')))
  const other = encodeFrame(OPCODE.PONG, Buffer.from('another'))
  see(other)
  t.strictSame(told, ['control secret!'])
  t.strictSame(written(), other)
})
