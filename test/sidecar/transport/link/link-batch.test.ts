import t from 'tap'
import { InFlightMessage } from '../../../../sidecar/transport/link/in-flight-message.ts'
import { endsWithin, nextBatch, type WriteRoom } from '../../../../sidecar/transport/link/link-batch.ts'
import { END_BYTES, LINK_VERSION } from '../../../../sidecar/transport/link/link-frames.ts'
import { routed, timeLimit } from '../peer.ts'

const message = (content: string) => new InFlightMessage(routed(content), { forget() {} }, timeLimit(), () => {})

const room = (changes: Partial<WriteRoom>): WriteRoom => ({
  version: LINK_VERSION,
  maxMessageBytes: 1000,
  windowBytes: 10_000,
  unread: 0,
  buffered: 0,
  memory: undefined,
  ...changes,
})

t.test('messages are taken in their order, as far as the window goes', async t => {
  const waiting = ['one', 'two', 'six'].map(message)
  const [size = 0] = waiting.map(({ bytes }) => bytes)
  const taken = (changes: Partial<WriteRoom>) => nextBatch(waiting, room(changes)).messages.length
  t.equal(taken({}), 3)
  t.equal(taken({ windowBytes: 2 * size }), 2)
  t.equal(taken({ windowBytes: 3 * size - 1 }), 2)
  t.equal(taken({ windowBytes: 2 * size, unread: size }), 1)
  t.equal(taken({ windowBytes: 2 * size, unread: size + 1 }), 0)
  t.strictSame(nextBatch(waiting, room({ windowBytes: 2 * size })), {
    messages: waiting.slice(0, 2),
    refused: [],
    messageBytes: 2 * size,
  })
})

t.test('a message larger than the window goes alone, and smaller ones do not overtake it', async t => {
  const waiting = [message('x'.repeat(500)), message('y')]
  t.equal(nextBatch(waiting, room({ windowBytes: 100 })).messages.length, 1)
  t.equal(nextBatch(waiting, room({ windowBytes: 100, unread: 1 })).messages.length, 0)
})

t.test('a message that the other end cannot accept is refused, and holds up no other', async t => {
  const waiting = [message('x'.repeat(50)), message('y')]
  const { messages, refused } = nextBatch(waiting, room({ maxMessageBytes: 10 }))
  t.strictSame(messages, waiting.slice(1))
  t.strictSame(refused, [{ message: waiting[0], outcome: 'too_large' }])
})

t.test('without memory one message goes, and the next ones when the kernel has taken it', async t => {
  const waiting = ['one', 'two'].map(message)
  const memory = { has: () => false }
  t.equal(nextBatch(waiting, room({ memory })).messages.length, 1)
  t.equal(nextBatch(waiting, room({ memory, buffered: 1 })).messages.length, 0)
  t.equal(nextBatch(waiting, room({ memory: { has: () => true }, buffered: 1 })).messages.length, 2)
})

t.test('ends get what a batch leaves of the window', async t => {
  t.equal(endsWithin(room({ windowBytes: 5 * END_BYTES - 1 }), 0), 4)
  t.equal(endsWithin(room({ windowBytes: 5 * END_BYTES, unread: END_BYTES }), 2 * END_BYTES), 2)
  t.equal(endsWithin(room({ windowBytes: 10, unread: 500 }), 0), 0)
})
