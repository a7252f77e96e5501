import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { encodeClose, encodeFrame, OPCODE } from '../../lib/websocket/frames.ts'
import { startApp } from '../helpers/app.ts'
import { startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

// Drives the chain frame by frame from raw sockets and compares with the app called directly: the same bytes must come back,
// and the app must see the same.

/** What a client does, and then it ends its side. */
type Step = Buffer

const HANDSHAKE =
  'GET /path?user=alice HTTP/1.1\r\nHost: chat\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

interface Seen {
  /** All that the server sent after its handshake. */
  readonly bytes: string
  /** Whether the server ended its side by itself, or by a reset. */
  readonly ended: boolean
}

function drive(port: number, steps: readonly Step[]): Promise<Seen> {
  return new Promise(resolve => {
    const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
    let received = Buffer.alloc(0)
    let ended = false
    let started = false
    socket.write(HANDSHAKE)
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      if (started || !received.includes('\r\n\r\n')) return
      started = true
      for (const step of steps) socket.write(step)
      socket.end()
    })
    socket.on('end', () => {
      ended = true
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      resolve({ bytes: received.subarray(received.indexOf('\r\n\r\n') + 4).toString('hex'), ended })
    })
  })
}

/** An app that answers in every way that a conforming server can, and notes what it has seen. */
async function apps(t: Test) {
  const notes: string[] = []
  const app = await startApp(t, {
    options: { maxPayload: 200_000 },
    onConnection(socket) {
      socket.on('message', (data: Buffer, binary: boolean) => {
        notes.push(`message ${binary} ${data.length}`)
        socket.send(data, { binary })
      })
      socket.on('ping', (data: Buffer) => notes.push(`ping ${data.toString('hex')}`))
      socket.on('pong', (data: Buffer) => notes.push(`pong ${data.toString('hex')}`))
      socket.on('close', (code, reason) => notes.push(`close ${code} ${reason}`))
      socket.on('error', (error: Error & { code?: string }) => notes.push(`error ${error.code}`))
    },
  })
  return { app, take: () => notes.splice(0) }
}

const mask = 0x12345678
const frame = (opcode: number, data: Buffer | string = '') => encodeFrame(opcode, Buffer.from(data), mask)
const close = (code?: number, reason?: string) => frame(OPCODE.CLOSE, encodeClose(code, reason))
const part = (opcode: number, data: string) => {
  const bytes = frame(opcode, data)
  bytes[0] = (bytes[0] as number) & 0x7f
  return bytes
}

const scripts: Record<string, Buffer[]> = {
  'nothing but an end': [],
  'a text': [frame(OPCODE.TEXT, 'hello'), close(1000)],
  'every length class': [0, 1, 125, 126, 127, 65_535, 65_536, 150_000]
    .map(n => frame(OPCODE.BINARY, Buffer.alloc(n, 7)))
    .concat(close(1000)),
  fragments: [part(OPCODE.TEXT, '{"recipientId":1,'), frame(OPCODE.CONTINUATION, '"x":2}'), close(1000)],
  'fragments with control frames in between': [
    part(OPCODE.TEXT, 'a'),
    frame(OPCODE.PING, 'p'),
    part(OPCODE.CONTINUATION, 'b'),
    frame(OPCODE.PONG, 'q'),
    frame(OPCODE.CONTINUATION, 'c'),
    close(1000),
  ],
  'empty fragments': [
    part(OPCODE.BINARY, ''),
    part(OPCODE.CONTINUATION, ''),
    frame(OPCODE.CONTINUATION, ''),
    close(1000),
  ],
  'a ping with the largest payload': [frame(OPCODE.PING, 'p'.repeat(125)), close(1000)],
  'an unasked pong': [frame(OPCODE.PONG, 'x'), close(1000)],
  'a close without a code': [close()],
  'a close with a reason': [close(4321, 'because')],
  'frames after a close': [close(1000), frame(OPCODE.TEXT, 'late')],
  'a close of one byte': [frame(OPCODE.CLOSE, 'x')],
  'a close code that must not be sent': [close(1005)],
  'a close code below 1000': [close(999)],
  'a close reason that is not UTF-8': [frame(OPCODE.CLOSE, Buffer.of(3, 232, 0xff))],
  'a text that is not UTF-8': [frame(OPCODE.TEXT, Buffer.of(0xff, 0xfe))],
  'a JSON text that is not UTF-8': [
    frame(OPCODE.TEXT, Buffer.concat([Buffer.from('{"recipientId":"'), Buffer.of(0xff), Buffer.from('"}')])),
  ],
  'half a character in each of two fragments': [
    part(OPCODE.TEXT, ''),
    encodeFrame(OPCODE.CONTINUATION, Buffer.of(0xc3, 0xa9), 1),
    close(1000),
  ],
  RSV1: [Buffer.concat([Buffer.of(0xc1), frame(OPCODE.TEXT, 'x').subarray(1)])],
  RSV2: [Buffer.concat([Buffer.of(0xa1), frame(OPCODE.TEXT, 'x').subarray(1)])],
  'an opcode that does not exist': [Buffer.concat([Buffer.of(0x83), frame(OPCODE.TEXT, 'x').subarray(1)])],
  'a frame without a mask': [encodeFrame(OPCODE.TEXT, Buffer.from('x'))],
  'a continuation of nothing': [frame(OPCODE.CONTINUATION, 'x')],
  'a text within a text': [part(OPCODE.TEXT, 'a'), frame(OPCODE.TEXT, 'b')],
  'a fragmented ping': [part(OPCODE.PING, 'x')],
  'a long ping': [Buffer.concat([Buffer.of(0x89, 0xfe, 0, 126, 0, 0, 0, 0), Buffer.alloc(126)])],
  'a length of 2^63': [Buffer.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)],
  'a message that is too large for the app': [frame(OPCODE.BINARY, Buffer.alloc(200_001))],
  'an end in the middle of a header': [frame(OPCODE.TEXT, 'hello'), Buffer.of(0x81)],
  'an end in the middle of a payload': [frame(OPCODE.TEXT, '{"hello":1}').subarray(0, 9)],
  'an end between fragments': [part(OPCODE.TEXT, '{"a":'), frame(OPCODE.PING, '')],
  'good messages before a bad one': [frame(OPCODE.TEXT, '{"a":1}'), frame(OPCODE.BINARY, 'b'), Buffer.of(0xff, 0xff)],
}

t.test('the chain answers as the app itself, for everything that RFC 6455 names', async t => {
  const { app, take } = await apps(t)
  const { balancer } = await startStack(t, [app])
  for (const [name, steps] of Object.entries(scripts)) {
    const direct = await drive(app.port, steps)
    const notes = take()
    for (const chunks of [
      steps,
      [Buffer.concat(steps)],
      [...Buffer.concat(steps.map(step => step.subarray(0, 300)))].map(byte => Buffer.of(byte)),
    ]) {
      // Byte by byte only what is short, or the sockets are busy for long.
      if (chunks.length > 200) continue
      const expected = chunks.length > steps.length + 1 ? await drive(app.port, chunks) : direct
      const expectedNotes = chunks.length > steps.length + 1 ? take() : notes
      t.strictSame(await drive(balancer.port, chunks), expected, `${name}: the client sees the same`)
      t.strictSame(take(), expectedNotes, `${name}: the app sees the same`)
    }
  }
})

t.test('and for seeded sequences of good and bad frames', async t => {
  const { app, take } = await apps(t)
  const { balancer } = await startStack(t, [app])
  const good = fc.oneof(
    fc.string({ maxLength: 40 }).map(text => frame(OPCODE.TEXT, text)),
    fc.constantFrom('{"a":1}', '{"recipientId":1}', ' {').map(text => frame(OPCODE.TEXT, text)),
    fc.uint8Array({ maxLength: 300 }).map(data => frame(OPCODE.BINARY, Buffer.from(data))),
    fc.uint8Array({ maxLength: 20 }).map(data => frame(OPCODE.PING, Buffer.from(data))),
    fc
      .tuple(fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 }))
      .map(([a, b]) => Buffer.concat([part(OPCODE.TEXT, `{${a}`), frame(OPCODE.PONG), frame(OPCODE.CONTINUATION, b)])),
  )
  const bad = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 30 }).map(data => Buffer.from(data)),
    fc.constantFrom(close(1000), close(), close(1001, 'x')),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(good, { maxLength: 6 }),
      bad,
      fc.array(fc.nat(), { maxLength: 5 }),
      async (frames, last, cuts) => {
        const bytes = Buffer.concat([...frames, last])
        const places = [...cuts.map(place => place % bytes.length), bytes.length].sort((a, b) => a - b)
        const steps = places.map((end, n) => bytes.subarray(n === 0 ? 0 : (places[n - 1] as number), end))
        const direct = await drive(app.port, steps)
        const notes = take()
        assert.deepEqual(await drive(balancer.port, steps), direct)
        assert.deepEqual(take(), notes)
      },
    ),
    { seed: 21, numRuns: 150 },
  )
})

// And the other way round: an app that keeps to nothing, and a client that takes note of all that it is sent.

/** What an app does once it has been greeted: it sends this, and ends its side, its whole connection, or nothing. */
interface Manners {
  readonly steps: readonly Buffer[]
  readonly end: 'half' | 'whole' | 'never'
  /** The first step comes in one packet with the answer to the handshake. */
  readonly hasty?: boolean
}

const GREETING = frame(OPCODE.TEXT, 'hello')
const LATE = frame(OPCODE.TEXT, 'late')

/** An app that answers handshakes by hand and then does what it is told next. */
async function rawApp(t: Test) {
  const told = { manners: { steps: [], end: 'half' } as Manners, heard: '' }
  const server = createServer({ allowHalfOpen: true }, socket => {
    const { steps, end, hasty } = told.manners
    let received = Buffer.alloc(0)
    let begun = false
    const rest = hasty ? steps.slice(1) : steps
    const answer = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
    const accept = 'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n'
    socket.on('error', () => {})
    socket.on('data', chunk => {
      const before = received.indexOf('\r\n\r\n')
      received = Buffer.concat([received, chunk])
      const head = received.indexOf('\r\n\r\n')
      if (head < 0) return
      if (before < 0) socket.write(Buffer.concat([Buffer.from(answer + accept), ...(hasty ? steps.slice(0, 1) : [])]))
      const said = received.subarray(head + 4)
      told.heard = said.toString('hex')
      if (begun || said.length < GREETING.length) return
      begun = true
      for (const step of rest) socket.write(step)
      if (end === 'half') socket.end()
      else if (end === 'whole') socket.destroySoon()
    })
    socket.on('end', () => {
      if (received.length > 0) told.heard += ' end'
      socket.end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { port: (server.address() as AddressInfo).port, told }
}

/** Greets, waits for what the app does, says one thing more, and ends. */
function listen(port: number, { steps, end }: Manners): Promise<Seen> {
  const expected = steps.reduce((bytes, step) => bytes + step.length, 0)
  return new Promise(resolve => {
    const socket = connectTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
    let received = Buffer.alloc(0)
    let started = false
    let ended = false
    socket.write(HANDSHAKE)
    socket.on('data', chunk => {
      received = Buffer.concat([received, chunk])
      const head = received.indexOf('\r\n\r\n') + 4
      if (head < 4) return
      if (!started) socket.write(GREETING)
      started = true
      if (end === 'never' && received.length >= head + expected) socket.end(LATE)
    })
    socket.on('end', () => {
      ended = true
      if (end !== 'never') socket.end(LATE)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      resolve({ bytes: received.subarray(received.indexOf('\r\n\r\n') + 4).toString('hex'), ended })
    })
  })
}

const fromApp = (opcode: number, data: Buffer | string = '') => encodeFrame(opcode, Buffer.from(data))
const closeFromApp = (code?: number, reason?: string) => fromApp(OPCODE.CLOSE, encodeClose(code, reason))
const partFromApp = (opcode: number, data: string) => {
  const bytes = fromApp(opcode, data)
  bytes[0] = (bytes[0] as number) & 0x7f
  return bytes
}

const badManners: Record<string, readonly Buffer[]> = {
  'nothing but an end': [],
  'a text': [fromApp(OPCODE.TEXT, 'x')],
  'fragments with pings in between': [
    partFromApp(OPCODE.TEXT, 'a'),
    fromApp(OPCODE.PING, 'p'),
    partFromApp(OPCODE.CONTINUATION, 'b'),
    fromApp(OPCODE.PING),
    fromApp(OPCODE.CONTINUATION, 'c'),
  ],
  'a masked frame': [fromApp(OPCODE.TEXT, 'good'), frame(OPCODE.TEXT, 'masked'), fromApp(OPCODE.TEXT, 'after')],
  RSV1: [fromApp(OPCODE.TEXT, 'good'), Buffer.of(0xc1, 1, 0x78), fromApp(OPCODE.TEXT, 'after')],
  'RSV2 and RSV3': [Buffer.of(0xb2, 1, 0x78)],
  'a text that is not UTF-8': [fromApp(OPCODE.TEXT, Buffer.of(0xff, 0xfe)), fromApp(OPCODE.TEXT, 'after')],
  'a ping that is too long': [Buffer.concat([Buffer.of(0x89, 126, 0, 126), Buffer.alloc(126, 1)])],
  'a fragmented ping': [partFromApp(OPCODE.PING, 'x'), fromApp(OPCODE.CONTINUATION, 'y')],
  'a close that is too long': [Buffer.concat([Buffer.of(0x88, 126, 0, 126), Buffer.alloc(126, 1)])],
  'a continuation of nothing': [fromApp(OPCODE.CONTINUATION, 'x')],
  'a text within a text': [partFromApp(OPCODE.TEXT, 'a'), fromApp(OPCODE.TEXT, 'b')],
  'a length that is not in its shortest form': [Buffer.of(0x81, 126, 0, 1, 0x78)],
  'an end in the middle of a payload': [fromApp(OPCODE.TEXT, '{"hello":1}').subarray(0, 9)],
  'an end between fragments': [partFromApp(OPCODE.TEXT, '{"a":'), fromApp(OPCODE.PING)],
  'a close without a code': [closeFromApp()],
  'a close of one byte': [fromApp(OPCODE.CLOSE, 'x')],
  'a close code that must not be sent': [closeFromApp(1005)],
  'a close that is meant for this client': [closeFromApp(1001, 'you')],
  'frames after a close': [closeFromApp(1000), fromApp(OPCODE.TEXT, 'late'), closeFromApp(1000)],
  'frames after a close that may be a restart': [closeFromApp(1001), fromApp(OPCODE.TEXT, 'late')],
}

/** What must be whole before it is known where it goes: it passes when nothing more comes. */
const cutShort: Record<string, readonly Buffer[]> = {
  'an end in the middle of a header': [fromApp(OPCODE.TEXT, 'x'), Buffer.of(0x81)],
  'an end in the middle of a close': [closeFromApp(1000, 'because').subarray(0, 5)],
}

/** Has a client meet the app directly and through the chain. */
async function meetings(t: Test) {
  const { port, told } = await rawApp(t)
  const { balancer } = await startStack(t, [{ port }])
  const meet = async (at: number, manners: Manners) => {
    told.manners = manners
    told.heard = ''
    const seen = await listen(at, manners)
    // An app that is gone hears nothing more, sooner or later.
    if (manners.end !== 'whole') await waitFor(() => told.heard.endsWith('end'), 'the app has heard all')
    return { ...seen, heard: told.heard }
  }
  return async (name: string, manners: Manners) => {
    const direct = await meet(port, manners)
    t.strictSame(await meet(balancer.port, manners), direct, name)
  }
}

t.test('a client sees of an app that keeps to nothing what it would see without us', async t => {
  const compare = await meetings(t)
  for (const [name, steps] of Object.entries({ ...badManners, ...cutShort })) {
    for (const end of ['half', 'whole'] as const) await compare(`${name}, ${end}`, { steps, end })
    await compare(`${name}, in haste`, { steps: [Buffer.concat(steps)], end: 'half', hasty: true })
    if (steps.length > 0 && !(name in cutShort)) await compare(`${name}, never`, { steps, end: 'never' })
  }
})

t.test('and of one that sends seeded sequences of good and bad frames', async t => {
  const compare = await meetings(t)
  const good = fc.oneof(
    fc.string({ maxLength: 40 }).map(text => fromApp(OPCODE.TEXT, text)),
    fc.constantFrom('{"a":1}', '{"recipientId":"bob"}').map(text => fromApp(OPCODE.TEXT, text)),
    fc.uint8Array({ maxLength: 300 }).map(data => fromApp(OPCODE.BINARY, Buffer.from(data))),
    fc.uint8Array({ maxLength: 20 }).map(data => fromApp(OPCODE.PING, Buffer.from(data))),
    fc
      .tuple(fc.string({ maxLength: 9 }), fc.string({ maxLength: 9 }))
      .map(([a, b]) =>
        Buffer.concat([partFromApp(OPCODE.TEXT, a), fromApp(OPCODE.PING), fromApp(OPCODE.CONTINUATION, b)]),
      ),
  )
  const bad = fc.oneof(
    fc.constantFrom(...Object.values({ ...badManners, ...cutShort })).map(steps => Buffer.concat(steps)),
    fc.uint8Array({ minLength: 1, maxLength: 30 }).map(data => Buffer.from(data)),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(good, { maxLength: 6 }),
      bad,
      fc.array(fc.nat(), { maxLength: 5 }),
      fc.constantFrom('half' as const, 'whole' as const),
      fc.boolean(),
      async (frames, last, cuts, end, hasty) => {
        const bytes = Buffer.concat([...frames, last])
        const places = [...cuts.map(place => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
        const steps = places.map((to, n) => bytes.subarray(n === 0 ? 0 : (places[n - 1] as number), to))
        await compare(`${bytes.toString('hex')} cut at ${places}`, { steps, end, hasty })
      },
    ),
    { seed: 23, numRuns: 60 },
  )
})
