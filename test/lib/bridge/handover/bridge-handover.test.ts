import type { Socket } from 'node:net'
import t from 'tap'
import { type Connection, connect, dialAgain, handOver, startApp, startChain, TIMES, until } from '../chain.ts'

t.test(
  'an upstream that is killed: the client keeps its connection, and what it sends meanwhile goes to the next',
  async t => {
    const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
    const chain = await startChain(t, a, true)
    const { socket, received, closes } = await connect(t, chain.url)
    socket.send('1')
    await until(() => received.length === 1)
    for (const upstream of a.sockets) (upstream as unknown as { _socket: Socket })._socket.resetAndDestroy()
    await until(() => chain.losses.length === 1)
    t.strictSame(chain.losses, [{ code: 1006, midMessage: false }])
    const connection = chain.connections[0] as Connection
    t.ok(connection.bridge.orphaned)
    socket.send('2')
    t.equal(await handOver(connection, b), 'moved')
    await until(() => received.length === 2)
    t.strictSame(received, ['a 1', 'b 2'])
    t.strictSame(closes, [])
  },
)

t.test('a client that floods while it has no upstream is not read: it has to wait, and nothing is lost', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
  const chain = await startChain(t, a, true)
  const { socket, received, closes } = await connect(t, chain.url)
  await until(() => a.sockets.size === 1)
  for (const upstream of a.sockets) upstream.terminate()
  await until(() => chain.losses.length === 1)
  const readBefore = chain.accepted[0]?.bytesRead as number
  const payload = 'x'.repeat(65_536)
  const count = 320
  for (let n = 0; n < count; n++) socket.send(`${n} ${payload}`)
  // 20 MiB are more than kernels keep: the rest waits in the client.
  let last = -1
  let unchanged = 0
  await until(() => {
    unchanged = socket.bufferedAmount === last ? unchanged + 1 : 0
    last = socket.bufferedAmount
    return unchanged === 20
  })
  t.ok(last > 0, 'it cannot write any more')
  const held = (chain.accepted[0]?.bytesRead as number) - readBefore
  t.ok(held <= 131_072, `what has been read of it is one read at most: ${held} bytes`)
  t.equal(await handOver(chain.connections[0] as Connection, b), 'moved')
  await until(() => received.length === count)
  t.strictSame(
    received.map(text => text.slice(0, -payload.length)),
    Array.from({ length: count }, (_, n) => `b ${n} `),
  )
  t.strictSame(closes, [])
})

t.test('a client that leaves while it has no upstream, or while it is moved, ends everything', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
  const chain = await startChain(t, a, true)
  const { socket } = await connect(t, chain.url)
  await until(() => a.sockets.size === 1)
  for (const upstream of a.sockets) upstream.terminate()
  await until(() => chain.losses.length === 1)
  const connection = chain.connections[0] as Connection
  const next = await dialAgain(connection, b)
  connection.bridge.terminate()
  t.equal(await connection.bridge.handOver(next, TIMES), 'gone')
  await until(() => chain.ends.length === 1)
  await until(() => b.closes.length === 1)
  t.strictSame(b.closes, [1001], 'the upstream that was not needed sees a clean close')
  socket.terminate()
})

t.test('giving up passes on how the upstream ended', async t => {
  const a = await startApp(t, 'a')
  for (const kill of [false, true]) {
    const chain = await startChain(t, a, true)
    const { closes } = await connect(t, chain.url)
    await until(() => a.sockets.size === 1)
    for (const upstream of a.sockets) kill ? upstream.terminate() : upstream.close(1012, 'restart')
    await until(() => chain.losses.length === 1)
    const bridge = chain.connections[0]?.bridge
    const message = { data: Buffer.from('nobody reads this'), binary: false }
    t.equal(await bridge?.send('upstream', message), 'closed')
    bridge?.giveUp()
    t.equal(await bridge?.send('upstream', message), 'closed')
    await until(() => closes.length === 1)
    t.strictSame(closes, [kill ? 1006 : 1012])
    await until(() => chain.ends.length === 1)
  }
})

t.test('a client that closes in the middle of a message, while it has no upstream, learns how that ended', async t => {
  const a = await startApp(t, 'a')
  for (const kill of [false, true]) {
    const chain = await startChain(t, a, true)
    const { socket, closes } = await connect(t, chain.url)
    await until(() => a.sockets.size === 1)
    socket.send('half', { fin: false })
    for (const upstream of a.sockets) kill ? upstream.terminate() : upstream.close(1012, 'restart')
    await until(() => chain.losses.length === 1)
    socket.close(4001, 'enough')
    await until(() => closes.length === 1)
    t.strictSame(closes, [kill ? 1006 : 1012])
    await until(() => chain.ends.length === 1)
    t.match(chain.ends[0], { cause: 'client', code: 4001, reason: 'enough' })
  }
})

t.test('a close frame that is not for the client: the next upstream goes on', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
  const chain = await startChain(t, a, true)
  const { socket, received, closes } = await connect(t, chain.url)
  await until(() => a.sockets.size === 1)
  for (const upstream of a.sockets) upstream.close(1012, 'restart')
  await until(() => chain.losses.length === 1)
  t.equal(chain.losses[0]?.code, 1012)
  t.equal(await handOver(chain.connections[0] as Connection, b), 'moved')
  socket.send('x')
  await until(() => received.length === 1)
  t.strictSame([received, closes], [['b x'], []])
  await until(() => a.closes.length === 1)
})
