import t from 'tap'
import { FrameSplitter } from '../../../bench/load/frames.ts'
import { Messages, payloadOf } from '../../../bench/load/message.ts'

/** Payloads of masked frames, unmasked; the frames come in pieces of a given size. */
function unmask(frames: Buffer, piece = frames.length): Buffer[] {
  const payloads: Buffer[] = []
  const splitter = new FrameSplitter((header, bytes, start) => {
    const payload = Buffer.from(bytes.subarray(start, start + header.length))
    for (let i = 0; i < payload.length; i++) payload[i]! ^= bytes[start - 4 + (i & 3)]!
    payloads.push(payload)
  })
  for (let at = 0; at < frames.length; at += piece) splitter.push(frames.subarray(at, at + piece))
  return payloads
}

t.test('messages are JSON of the size asked for, with the recipient if there is one', async t => {
  for (const bytes of [100, 128, 4096]) {
    for (const user of ['a', 'user-12', 'user-123']) {
      const { payload, sequenceAt } = payloadOf(user, undefined, bytes)
      t.equal(payload.length, bytes)
      t.equal(sequenceAt % 4, 0)
      t.same(Object.keys(JSON.parse(String(payload))), ['text'])
      const addressed = payloadOf(user, 'user-9', bytes)
      t.equal(addressed.payload.length, bytes)
      t.equal(JSON.parse(String(addressed.payload)).recipientId, 'user-9')
    }
  }
  t.throws(() => payloadOf('user-1', undefined, 20), /does not fit/)
})

t.test('frames carry their sequence number, and slots are used again', async t => {
  const messages = new Messages('user-1', undefined, 128, 4)
  const frames = messages.frames(0, 4)
  t.equal(messages.count(frames), 4)
  t.same(
    unmask(frames).map(payload => messages.read(payload, 0, 128, -1 >>> 0)),
    [0, 1, 2, 3],
  )
  t.same(
    unmask(frames, 3).map(payload => messages.read(payload, 0, 128, 0)),
    [0, 1, 2, 3],
    'in pieces',
  )
  const wrapped = messages.frames(70_002, 3)
  t.equal(messages.count(wrapped), 2, 'up to the last slot')
  t.same(
    unmask(wrapped).map(payload => messages.read(payload, 0, 128, 70_002)),
    [70_002, 70_003],
  )
  t.equal(messages.count(messages.frames(70_004, 1)), 1)
})

t.test('other content is told', async t => {
  const messages = new Messages('user-1', undefined, 128, 1)
  const [payload] = unmask(messages.frames(5, 1)) as [Buffer]
  t.equal(messages.read(payload, 0, 128, 5), 5)
  t.equal(messages.read(payload, 0, 128, 6), 5)
  t.equal(messages.read(payload, 0, 127, 5), -1, 'cut')
  for (const at of [0, 20, 127]) {
    const other = Buffer.from(payload)
    other[at]! ^= 1
    t.not(messages.read(other, 0, 128, 5), 5, `byte ${at} changed`)
  }
  const [foreign] = unmask(new Messages('user-2', undefined, 128, 1).frames(5, 1)) as [Buffer]
  t.equal(messages.read(foreign, 0, 128, 5), -1, "another user's")
})
