import t from 'tap'
import { controlSecret, encodeControlPing } from '../../../lib/rehome/control-pings.ts'
import { ControlFrames } from '../../../lib/websocket/control-frames.ts'
import { encodeFrame, FrameReader, OPCODE, STEP } from '../../../lib/websocket/frames.ts'

const secret = controlSecret()

/** What becomes of one frame of an upstream; `passes`: nobody looks at it. */
function kindOf(controls: ControlFrames, opcode: number, payload: Buffer): string {
  const frame = encodeFrame(opcode, payload)
  const reader = new FrameReader(false, 1000)
  for (let offset = 0; offset < frame.length; ) {
    const before = offset
    const step = reader.read(frame, before)
    offset = reader.position
    if ((step === STEP.HEADER || step === STEP.EMPTY) && !controls.looksAt(reader, step)) return 'passes'
    const kept = controls.keep(reader, frame, before, offset, step)
    if (kept) return kept.kind
  }
  return 'not whole'
}

t.test('an answer to a control ping that nobody waits for does not show the other side the secret', async t => {
  const controls = new ControlFrames(secret)
  const farewell = encodeControlPing(secret, { type: 'move', member: '10.0.0.1:3000' })
  t.equal(kindOf(controls, OPCODE.PONG, farewell), 'late')
  controls.expectedPong = farewell
  t.equal(kindOf(controls, OPCODE.PONG, farewell), 'pong')
  t.equal(kindOf(controls, OPCODE.PONG, farewell), 'late', 'only once')
})

t.test('what else an app pings and pongs passes', async t => {
  const controls = new ControlFrames(secret)
  t.equal(kindOf(controls, OPCODE.PING, Buffer.from('hello')), 'passes')
  t.equal(kindOf(controls, OPCODE.PONG, Buffer.from('hello')), 'passes')
  t.equal(kindOf(controls, OPCODE.PONG, Buffer.alloc(100)), 'other')
  t.equal(kindOf(controls, OPCODE.PING, encodeControlPing(secret, { type: 'drain' })), 'control')
})
