import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { Allotment } from '../../../../lib/service/memory/allotment.ts'
import { MemoryBudget } from '../../../../lib/service/memory/budget.ts'
import { applyMask, encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'
import { Shadow, type ShadowListener } from '../../../../sidecar/receive/shadows/shadow.ts'
import type { ShadowEnd } from '../../../../sidecar/receive/shadows/shadow-types.ts'
import { waitFor } from '../../../helpers/wait.ts'

const HANDSHAKE = Buffer.from(
  'GET / HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
)
const ACCEPTED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
/** A text frame with a reserved bit. */
const BROKEN = Buffer.of(0xf1, 0x00)

/** An app that accepts each handshake and reads nothing more, and a shadow into it. */
async function start(t: Test, memory = new Allotment(1 << 20), onReply: ShadowListener['onReply'] = () => {}) {
  const sockets: Socket[] = []
  const server = createServer(socket => {
    sockets.push(socket.on('error', () => {}))
    socket.once('data', () => {
      socket.pause()
      socket.write(ACCEPTED)
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const ends: ShadowEnd[] = []
  const shadow = new Shadow(
    { id: '00'.repeat(16), handshake: HANDSHAKE },
    'ann',
    '127.0.0.1:3000',
    {
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      maxMessageBytes: 1 << 20,
      memory,
      handshakeTimeoutMs: 60_000,
      maxQueueBytes: 1 << 16,
      maxHeadBytes: 1 << 14,
    },
    { onReply, onGone: (_shadow, end) => void ends.push(end) },
    async () => {},
  )
  t.teardown(() => {
    shadow.terminate()
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { shadow, sockets, ends }
}

for (const [what, last] of [
  ['ends its side', (app: Socket) => app.end()],
  ['sends what is no frame', (app: Socket) => app.write(BROKEN)],
] as const)
  t.test(`an app that does not read and ${what} does not hold a shadow for ever`, async t => {
    const { shadow, sockets, ends } = await start(t)
    t.ok(await shadow.opened)
    const unread = { data: Buffer.alloc(1 << 24), binary: true }
    void shadow.send('upstream', unread)
    mock.timers.enable({ apis: ['setTimeout'] })
    t.teardown(() => mock.timers.reset())
    last(sockets[0] as Socket)
    while (shadow.state === 'open') await new Promise(resolve => setImmediate(resolve))
    t.strictSame(ends, [], 'what was written before is still there')
    mock.timers.tick(10_000)
    await shadow.whenGone
    t.equal(ends.length, 1)
  })

t.test('a shadow that is closed before the app has answered leaves nothing with the app', async t => {
  const { shadow, sockets, ends } = await start(t)
  while (sockets.length === 0) await new Promise(resolve => setImmediate(resolve))
  const [app] = sockets as [Socket]
  const closed = new Promise(resolve => app.once('close', resolve))
  shadow.close('own')
  app.resume()
  t.notOk(await shadow.opened)
  await Promise.all([shadow.whenGone, closed])
  t.strictSame(ends, ['own'])
})

/** Of a client's pong to the largest ping: two bytes, the mask, the payload. */
const PONG_BYTES = 131

function unmasked(pong: Buffer): Buffer {
  const payload = Buffer.from(pong.subarray(6))
  applyMask(payload, pong.readUInt32BE(2))
  return payload
}

t.test('the pings of an app that does not read are not answered one by one, but the last one is', async t => {
  const { shadow, sockets } = await start(t)
  t.ok(await shadow.opened)
  const [app] = sockets as [Socket]
  const count = 200_000
  const last = Buffer.from('last'.padEnd(125))
  const pings = Buffer.concat(Array.from({ length: 1000 }, () => encodeFrame(OPCODE.PING, Buffer.alloc(125))))
  for (let n = 0; n < count; n += 1000) if (!app.write(pings)) await new Promise(resolve => app.once('drain', resolve))
  app.write(encodeFrame(OPCODE.PING, last))
  await waitFor(() => app.writableLength === 0, 'all pings are sent')
  let end = Buffer.alloc(0)
  let bytes = 0
  app.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    end = Buffer.concat([end, chunk]).subarray(-PONG_BYTES)
  })
  app.resume()
  await waitFor(() => end.length === PONG_BYTES && unmasked(end).equals(last), 'the last one is answered')
  t.ok(bytes < count * PONG_BYTES, `${bytes / PONG_BYTES} of ${count} were answered`)
})

t.test('what it takes of the memory is counted, bounded, and given back with it', async t => {
  const { messages } = new MemoryBudget(1).accounts
  const { shadow, sockets } = await start(t, new Allotment(100_000, messages))
  const idle = messages.bytes
  t.ok(idle > HANDSHAKE.length)
  t.ok(await shadow.opened)
  const message = { data: Buffer.alloc(90_000), binary: true }
  t.equal(await shadow.send('upstream', message), 'full', 'all of them have less left, and it is not queued')
  void shadow.send('upstream', { data: Buffer.alloc(50_000), binary: true })
  t.ok(messages.bytes > idle + 50_000)
  shadow.charge(100)
  shadow.charge(-100)
  // A message of 100,000 bytes of which the beginning has come.
  sockets[0]?.write(Buffer.concat([Buffer.of(0x82, 127, 0, 0, 0, 0, 0, 1, 0x86, 0xa0), Buffer.alloc(99_000)]))
  await shadow.whenGone
  t.equal(shadow.state, 'gone', 'the app’s message has no room')
  await new Promise(setImmediate)
  t.equal(messages.bytes, 0)
})

/** Replies in one write, which come as one chunk or few. */
const REPLIES = 5000
const flood = Buffer.concat(Array.from({ length: REPLIES }, (_, n) => encodeFrame(OPCODE.TEXT, Buffer.from(`${n}`))))

/** A shadow that is held after each reply, and its app, which has read the first message. */
async function startHeld(t: Test, memory?: Allotment) {
  const replies: string[] = []
  const { shadow, sockets, ends } = await start(t, memory, (_shadow, { data }) => {
    replies.push(`${data}`)
    shadow.hold()
  })
  t.ok(await shadow.opened)
  await shadow.send('upstream', { data: Buffer.from('hello'), binary: false })
  const [app] = sockets as [Socket]
  const [sent] = (await once(app.resume(), 'data')) as [Buffer]
  // Of our ping: two bytes, the mask, the payload.
  const ping = Buffer.from(sent.subarray(6, 6 + ((sent[1] as number) & 0x7f)))
  applyMask(ping, sent.readUInt32BE(2))
  app.write(encodeFrame(OPCODE.PONG, ping))
  return { shadow, app, replies, ends }
}

const next = () => new Promise(resolve => setImmediate(resolve))

t.test('of thousands of replies in one chunk none is taken while it is held; all are taken in the end', async t => {
  const { shadow, app, replies, ends } = await startHeld(t)
  app.end(flood)
  await waitFor(() => replies.length > 0, 'the first has come')
  for (let turn = 0; turn < 10; turn++) await next()
  t.strictSame(replies, ['0'])
  while (ends.length === 0) {
    const { length } = replies
    shadow.release()
    await next()
    if (replies.length > length + 1) t.fail(`${replies.length - length} at once`)
  }
  t.strictSame(
    replies,
    Array.from({ length: REPLIES }, (_, n) => `${n}`),
    'in order, and then the end',
  )
})

t.test('what an app had written before its connection broke is still taken, and takes memory until then', async t => {
  const { messages } = new MemoryBudget(1).accounts
  const { shadow, app, replies } = await startHeld(t, new Allotment(1 << 20, messages))
  app.write(flood)
  await waitFor(() => replies.length > 0, 'the first has come')
  const left = () => messages.bytes
  shadow.terminate()
  await shadow.whenGone
  t.ok(left() > 0)
  for (let { length } = [] as unknown[]; length < replies.length; shadow.release(), await next())
    length = replies.length
  t.equal(left(), 0)
  t.ok(replies.length > 100, `${replies.length} of them`)
})
