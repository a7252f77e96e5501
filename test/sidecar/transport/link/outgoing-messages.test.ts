import t from 'tap'
import { LINK_VERSION } from '../../../../sidecar/transport/link/link-frames.ts'
import { OutgoingMessages } from '../../../../sidecar/transport/link/outgoing-messages.ts'
import type { Answer } from '../../../../sidecar/transport/outcome.ts'
import { serialNumbers } from '../../../../sidecar/transport/serial-numbers.ts'
import type { RoutedMessage } from '../../../../sidecar/transport/transport.ts'
import { routed, timeLimit } from '../peer.ts'

const ROOM = {
  version: LINK_VERSION,
  maxMessageBytes: 100,
  windowBytes: 100_000,
  unread: 0,
  buffered: 0,
  memory: undefined,
}

function start(previous?: OutgoingMessages) {
  const messages = new OutgoingMessages(serialNumbers(), previous?.takeAll())
  const answers: Record<string, Answer> = {}
  const add = (text: string, more: Partial<RoutedMessage> = {}, deadline: AbortSignal = timeLimit()) =>
    void messages.add(routed(text, more), deadline).then(answer => {
      answers[text] = answer
    })
  /** Sends messages that wait; returns their numbers. */
  const send = (windowBytes = ROOM.windowBytes) => {
    const { messages: taken, messageBytes } = messages.take({ ...ROOM, windowBytes })
    const buffer = Buffer.alloc(messageBytes)
    t.equal(messages.write(buffer, taken), messageBytes)
    return taken.map(({ id }) => id as number)
  }
  const settled = async () => {
    await new Promise(setImmediate)
    return answers
  }
  return { messages, add, send, settled }
}

t.test('a message waits, is sent, and is settled by its number', async t => {
  const { messages, add, send, settled } = start()
  add('one')
  add('two')
  t.strictSame([messages.size, messages.hasWaiting], [2, true])
  const [one = 0, two = 0] = send()
  t.strictSame([messages.size, messages.hasWaiting], [2, false])
  messages.settle(two, 'offline')
  messages.settle(one + 1000, 'delivered')
  messages.settle(one, 'delivered')
  t.strictSame(await settled(), { two: 'offline', one: 'delivered' })
  t.equal(messages.size, 0)
})

t.test('a message that the other end cannot accept is refused when it would be sent', async t => {
  const { add, send, settled } = start()
  add('x'.repeat(101))
  add('y')
  t.equal(send().length, 1)
  t.strictSame(await settled(), { ['x'.repeat(101)]: 'too_large' })
})

t.test('after its deadline a waiting message is taken back, a sent one is unknown', async t => {
  const { messages, add, send, settled } = start()
  const abort = new AbortController()
  add('sent', {}, abort.signal)
  send()
  add('waiting', {}, abort.signal)
  abort.abort()
  t.strictSame(await settled(), { sent: 'timeout', waiting: 'no_owner' })
  t.equal(messages.size, 0)
})

t.test(
  'the other end reads no more: read messages keep waiting for their answers, others may go elsewhere',
  async t => {
    const { messages, add, send, settled } = start()
    for (const text of ['one', 'two']) add(text)
    const [one = 0] = send()
    add('three')
    messages.keepRead(1)
    t.strictSame(await settled(), { two: 'no_owner', three: 'no_owner' })
    messages.settle(one, 'delivered')
    t.equal((await settled())['one'], 'delivered')
  },
)

t.test('a resumed message keeps its number and goes first, in the old order', async t => {
  const old = start()
  for (const text of ['one', 'two']) old.add(text)
  const numbers = old.send()
  old.add('three')
  const { messages, send } = start(old.messages)
  t.equal(old.messages.size, 0)
  t.equal(messages.size, 3)
  t.strictSame(send().slice(0, 2), numbers)
})

t.test('a new process gets only what the old one cannot have, and no message that follows a lost one', async t => {
  const old = start()
  old.add('sent')
  old.send()
  old.add('follows', { start: false })
  old.add('starts', { start: true, lane: 2 })
  const { messages } = start(old.messages)
  messages.forgetOtherProcess()
  t.strictSame(await old.settled(), { sent: 'timeout', follows: 'no_owner' })
  t.equal(messages.size, 1)
})
