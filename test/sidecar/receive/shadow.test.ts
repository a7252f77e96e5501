import { type AddressInfo, createServer, type Socket } from 'node:net'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { Shadow, type ShadowEnd } from '../../../sidecar/receive/shadow.ts'

const HANDSHAKE = Buffer.from(
  'GET / HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
)
const ACCEPTED = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'
/** A text frame with a reserved bit. */
const BROKEN = Buffer.of(0xf1, 0x00)

/** An app that accepts each handshake and reads nothing more, and a shadow into it. */
async function start(t: Test) {
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
      handshakeTimeoutMs: 60_000,
      maxQueueBytes: 1 << 16,
      maxHeadBytes: 1 << 14,
    },
    { onReply() {}, onGone: (_shadow, end) => void ends.push(end) },
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
