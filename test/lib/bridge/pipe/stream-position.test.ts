import t from 'tap'
import { StreamPosition } from '../../../../lib/bridge/pipe/stream-position.ts'
import { encodeFrame, FrameReader, OPCODE } from '../../../../lib/websocket/frames.ts'

const fragment = (opcode: number, text: string) => {
  const frame = encodeFrame(opcode, Buffer.from(text))
  frame[0] = (frame[0] as number) & 0x7f
  return frame
}
const ping = encodeFrame(OPCODE.PING, Buffer.from('ping'))
const begun = fragment(OPCODE.TEXT, 'begun')

/** Where a source is in its stream, by what has been read of it. */
const PLACES = {
  'between messages': Buffer.alloc(0),
  'after a message': encodeFrame(OPCODE.TEXT, Buffer.from('whole')),
  'in a header': begun.subarray(0, 1),
  'in a payload': begun.subarray(0, 4),
  'between fragments': begun,
  'in a control frame between fragments': Buffer.concat([begun, ping.subarray(0, 3)]),
  'after a control frame between fragments': Buffer.concat([begun, ping]),
} as const

/** Which parts hold the message: then no byte of it has passed. */
type Held = 'nothing' | 'addressed' | 'whole'

function positionAt(place: keyof typeof PLACES, held: Held): StreamPosition {
  const reader = new FrameReader(false, 1000)
  const bytes = PLACES[place]
  for (let offset = 0; offset < bytes.length; offset = reader.position) reader.read(bytes, offset)
  return new StreamPosition(reader, { isHolding: held === 'addressed' }, { isHolding: held === 'whole' })
}

/** Whether a control frame may be injected, whether a message may, and whether the source is between two messages. */
const EXPECTED: readonly [keyof typeof PLACES, Held, frames: boolean, messages: boolean, atEnd: boolean][] = [
  ['between messages', 'nothing', true, true, true],
  ['after a message', 'nothing', true, true, true],
  ['in a header', 'nothing', false, false, false],
  ['in a payload', 'nothing', false, false, false],
  ['between fragments', 'nothing', true, false, false],
  ['in a control frame between fragments', 'nothing', false, false, false],
  ['after a control frame between fragments', 'nothing', true, false, false],
  // No byte of the message has passed, so only a control frame, which does pass, can be incomplete.
  ['in a payload', 'addressed', true, true, false],
  ['after a message', 'addressed', true, true, false],
  ['between fragments', 'addressed', true, true, false],
  ['in a control frame between fragments', 'addressed', false, false, false],
  ['after a control frame between fragments', 'addressed', true, true, false],
  // Control frames between fragments are kept with the message.
  ['in a payload', 'whole', true, true, false],
  ['in a control frame between fragments', 'whole', true, true, false],
  ['after a control frame between fragments', 'whole', true, true, false],
]

for (const [place, held, betweenFrames, betweenMessages, atEnd] of EXPECTED) {
  t.test(`the source is ${place}, ${held} is held`, async t => {
    const position = positionAt(place, held)
    t.match(position, { betweenFrames, betweenMessages, atEnd })
    position.opaque = true
    const nowhere = { betweenFrames: false, betweenMessages: false, atEnd: false }
    t.match(position, nowhere, 'a stream that is no longer parsed has no such place')
  })
}

t.test('a pipe that holds nothing is where its source is', async t => {
  const position = new StreamPosition(new FrameReader(false, 1000), undefined, undefined)
  t.match(position, { betweenFrames: true, betweenMessages: true, atEnd: true })
})
