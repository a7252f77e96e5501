import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { IncompleteFrames } from '../../../../sidecar/transport/link/incomplete-frames.ts'
import { LinkDecoder } from '../../../../sidecar/transport/link/link-decoder.ts'
import {
  deliverBytes,
  encodeHello,
  type LinkFrame,
  writeDeliver,
} from '../../../../sidecar/transport/link/link-frames.ts'
import { LinkReceiver, type LinkReceiverLimits } from '../../../../sidecar/transport/link/link-receiver.ts'
import type { Answer, Outcome } from '../../../../sidecar/transport/outcome.ts'
import type { IncomingMessage, Receiver } from '../../../../sidecar/transport/transport.ts'
import type { Scope } from '../../../helpers/stack.ts'
import { waitFor } from '../../../helpers/wait.ts'

const LIMITS: LinkReceiverLimits = { maxMessageBytes: 1000, windowBytes: 2000 }

type Receive = (user: string, incoming: IncomingMessage) => Promise<Answer>

const BOOT = Buffer.alloc(16, 7)

/** A link whose dialling end the test plays. */
async function start(
  t: Scope,
  receive: Receive,
  limits = LIMITS,
  { proven = false, incomplete = new IncompleteFrames(0) } = {},
) {
  const announced: string[] = []
  const met: string[] = []
  const session = {
    receive: (incoming: IncomingMessage) => receive(incoming.user, incoming),
    receiveLoose: () => 'rejected' as const,
  }
  const inbox: Receiver = {
    boot: BOOT,
    from: () => session,
    receive: () => 'rejected',
    addVerified: member => void met.push(member),
    knows: () => false,
    ended: () => {},
    announced: (member, users) => void announced.push(`${member}: ${users.join(' ')}`),
  }
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  const accepted = new Promise<LinkReceiver>(resolve =>
    server.once('connection', socket =>
      resolve(new LinkReceiver(socket, inbox, { sender: 'pod-a', member: 'a:1', proven }, limits, incomplete)),
    ),
  )
  const socket = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const frames: LinkFrame[] = []
  const batches: number[] = []
  const decoder = new LinkDecoder(0)
  socket.on('message', (data: Buffer) => {
    batches.push(data.length)
    frames.push(...decoder.push(data))
  })
  const closed = once(socket, 'close').then(([code, reason]) => `${code} ${reason}`)
  t.teardown(() => {
    socket.terminate()
    for (const client of server.clients) client.terminate()
    return new Promise(resolve => server.close(resolve))
  })
  const receiver = await accepted
  await waitFor(() => frames.length === 1, 'hello')
  return { socket, frames, batches, closed, receiver, announced, met }
}

function deliver(id: number, content: string | Buffer, user = 'bob', binary = false): Buffer {
  const message = { data: Buffer.from(content as string), binary }
  const bytes = Buffer.alloc(deliverBytes({ user, message, deliveredTo: undefined }))
  writeDeliver(bytes, 0, id, { user, deliver: 'app', message, lane: 1, start: true, deliveredTo: undefined }, false)
  return bytes
}

t.test('greets with its limits, and answers a batch in one write: outcomes, then room', async t => {
  const seen: string[] = []
  const { socket, frames, batches } = await start(t, async (user, { message: { data } }) => {
    seen.push(`${user} ${data}`)
    return data.toString() as Outcome
  })
  t.strictSame(frames, [{ type: 'hello', windowBytes: 2000, maxMessageBytes: 1000, boot: BOOT }])
  const batch = Buffer.concat([
    deliver(1, 'delivered'),
    deliver(2, 'offline', 'ann'),
    deliver(3, Buffer.from([0xff])),
    deliver(4, 'slow_consumer'),
    deliver(5, 'x', 'a\tb'),
  ])
  socket.send(batch)
  await waitFor(() => frames.length === 7, 'all is answered')
  t.strictSame(seen, ['bob delivered', 'ann offline', 'bob slow_consumer'])
  t.strictSame(
    frames.slice(1).map(frame => (frame.type === 'outcome' ? [frame.id, frame.outcome] : frame)),
    [
      [3, 'rejected'],
      [5, 'rejected'],
      [1, 'delivered'],
      [2, 'offline'],
      [4, 'slow_consumer'],
      { type: 'window', bytes: batch.length },
    ],
  )
  t.equal(batches.length, 2)
})

t.test('a delivery that fails is a rejected message, not the end of anything', async t => {
  const { socket, frames } = await start(t, () => Promise.reject(new Error('broken')))
  socket.send(deliver(1, 'x'))
  await waitFor(() => frames.some(({ type }) => type === 'outcome'), 'it is answered')
  t.match(
    frames.find(({ type }) => type === 'outcome'),
    { id: 1, outcome: 'rejected' },
  )
})

t.test('room comes back at once, also for what waits for its recipient', async t => {
  const { socket, frames } = await start(t, () => new Promise(() => {}))
  const bytes = deliver(1, 'x'.repeat(900))
  for (let n = 1; n <= 20; n++) {
    socket.send(bytes)
    const total = () => frames.reduce((sum, frame) => sum + (frame.type === 'window' ? frame.bytes : 0), 0)
    await waitFor(() => total() === n * bytes.length, 'there is room again')
  }
  t.equal(frames.filter(({ type }) => type === 'outcome').length, 0)
})

t.test('what is no link closes it: 1002, more than the window: 1008; what came before is told', async t => {
  const wrong: [string, string | Buffer, string][] = [
    ['text', 'hello', '1002 a text message'],
    ['no frame', Buffer.of(9), '1002 there is no frame of type 9'],
    ['an answer', encodeHello(1, 1, BOOT), '1002 hello out of place'],
    ['too large', deliver(2, 'x'.repeat(1001)), '1002 a message of 1001 bytes'],
    [
      'too much',
      Buffer.concat(Array.from({ length: 80 }, (_, n) => deliver(n + 2, 'x'.repeat(990)))),
      '1008 more than the window',
    ],
  ]
  for (const [name, bytes, end] of wrong) {
    const { socket, frames, closed } = await start(t, async (): Promise<Answer> => 'delivered')
    socket.send(deliver(1, 'x'))
    await waitFor(() => frames.some(({ type }) => type === 'outcome'), 'it is answered')
    socket.send(bytes)
    t.equal(await closed, end, name)
    t.equal(frames.filter(({ type }) => type === 'outcome').length, 1, name)
  }
})

t.test('a message of the largest size passes, whatever the window', async t => {
  let got = 0
  const { socket, frames } = await start(
    t,
    async (_user, { message: { data } }): Promise<Answer> => {
      got = data.length
      return 'delivered'
    },
    { maxMessageBytes: 1_000_000, windowBytes: 10 },
  )
  const bytes = deliver(1, 'x'.repeat(1_000_000), 'b'.repeat(512))
  for (let at = 0; at < bytes.length; at += 100_000) socket.send(bytes.subarray(at, at + 100_000))
  await waitFor(() => frames.some(({ type }) => type === 'outcome'), 'it is answered')
  t.equal(got, 1_000_000)
})

t.test('whoever does not read the answers gets no more room, and is closed when it goes on', async t => {
  const { socket, frames, closed } = await start(t, async (): Promise<Answer> => 'delivered', {
    maxMessageBytes: 10,
    windowBytes: 4000,
  })
  const many = Buffer.concat(Array.from({ length: 200 }, (_, id) => deliver(id, '')))
  let refused = false
  closed.then(
    () => {
      refused = true
    },
    () => {},
  )
  socket.pause()
  // As much as a kernel keeps for a reader, and more.
  for (let n = 0; n < 30_000 && !refused && socket.readyState === WebSocket.OPEN; n++) {
    await new Promise(resolve => socket.send(many, resolve))
    if (n % 100 === 0) await new Promise(setImmediate)
  }
  socket.resume()
  t.match(await closed, /^(1008 more than the window|1006)/)
  t.ok(frames.length > 0)
})

t.test('closing tells what is known, and takes nothing any more', async t => {
  const seen: string[] = []
  const { socket, frames, closed, receiver } = await start(t, async (_user, { message: { data } }): Promise<Answer> => {
    seen.push(data.toString())
    return 'delivered'
  })
  socket.send(deliver(1, 'before'))
  await waitFor(() => seen.length === 1, 'it has come')
  receiver.leave(1012, 'service restart')
  socket.send(deliver(2, 'after'))
  t.equal(await closed, '1012 service restart')
  t.strictSame(seen, ['before'])
  t.match(
    frames.filter(({ type }) => type === 'outcome'),
    [{ id: 1, outcome: 'delivered' }],
  )
})

t.test('who has shown the token is met, and with each ping again; who has not is not', async t => {
  const proven = await start(t, async () => 'delivered', LIMITS, { proven: true })
  t.strictSame(proven.met, ['a:1'])
  proven.socket.ping()
  await once(proven.socket, 'pong')
  t.strictSame(proven.met, ['a:1', 'a:1'])
  const other = await start(t, async () => 'delivered')
  other.socket.ping()
  await once(other.socket, 'pong')
  t.strictSame(other.met, [])
})

const LARGE: LinkReceiverLimits = { maxMessageBytes: 6_000_000, windowBytes: 262_144 }

t.test('links together hold a bounded part of messages that are not complete; who goes beyond is closed', async t => {
  const incomplete = new IncompleteFrames(LARGE.maxMessageBytes)
  const receive = async (_user: string, { message }: IncomingMessage): Promise<Answer> =>
    message.data.length === LARGE.maxMessageBytes ? 'delivered' : 'rejected'
  const links = await Promise.all(Array.from({ length: 5 }, () => start(t, receive, LARGE, { incomplete })))
  const message = deliver(1, Buffer.alloc(LARGE.maxMessageBytes), 'bob', true)
  const part = message.subarray(0, 5_900_000)
  let expected = 0
  for (const { socket } of links.slice(0, 4)) {
    socket.send(part)
    expected += part.length
    await waitFor(() => incomplete.bytes >= expected, 'it is held')
  }
  const [first, second, , , last] = links
  last?.socket.send(part)
  t.equal(await last?.closed, '1013 too much that is not complete')
  first?.socket.send(message.subarray(part.length))
  const answer = () => first?.frames.find(({ type }) => type === 'outcome')
  await waitFor(() => answer() !== undefined, 'it has its outcome')
  t.match(answer(), { id: 1, outcome: 'delivered' })
  second?.socket.terminate()
  await waitFor(() => incomplete.bytes < 2 * part.length + 1000, 'what has ended holds nothing')
  for (const { socket } of links) socket.terminate()
  await waitFor(() => incomplete.bytes === 0, 'nor do the others')
})

t.test('a message that comes byte by byte costs more than its bytes', async t => {
  const incomplete = new IncompleteFrames(0)
  const { socket } = await start(t, async () => 'delivered', LIMITS, { incomplete })
  const message = deliver(1, 'x'.repeat(900))
  for (const byte of message.subarray(0, 500)) socket.send(Buffer.of(byte))
  await waitFor(() => incomplete.bytes > 50_000, 'each piece counts')
})

t.test('a frame has its time: one that does not end closes the link, and those that end do not', async t => {
  const incomplete = new IncompleteFrames(0, 200)
  const { socket, frames, closed } = await start(t, async () => 'delivered', LIMITS, { incomplete })
  const until = performance.now() + 400
  let id = 0
  while (performance.now() < until) {
    const count = frames.length
    const message = deliver(++id, 'hello')
    socket.send(message.subarray(0, 20))
    socket.send(message.subarray(20))
    await waitFor(() => frames.length > count, 'it is answered')
  }
  socket.send(deliver(++id, 'hello').subarray(0, 20))
  t.equal(await closed, '1008 a frame that takes too long')
  t.equal(incomplete.bytes, 0)
})
