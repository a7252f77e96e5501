import { connect as connectTcp } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { encodeClose, encodeFrame, OPCODE } from '../../lib/wire/frames.ts'
import { startApp } from '../helpers/app.ts'
import { startStack } from '../helpers/stack.ts'

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
        t.strictSame(await drive(balancer.port, steps), direct)
        t.strictSame(take(), notes)
      },
    ),
    { seed: 21, numRuns: 150 },
  )
})
