import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import t from 'tap'
import { encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { type App, type Connection, connect, handOver, startApp, startChain, TIMES, until } from '../chain.ts'

t.test(
  'what was sent before goes to the old upstream, what follows to the new one; the old one sees a clean close',
  async t => {
    const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
    const chain = await startChain(t, a)
    const { socket, received, closes } = await connect(t, chain.url)
    socket.send('1')
    socket.send('2')
    await until(() => received.length === 2)
    t.equal(await handOver(chain.connections[0] as Connection, b), 'moved')
    socket.send('3')
    await until(() => received.length === 3)
    t.strictSame(received, ['a 1', 'a 2', 'b 3'])
    await until(() => a.closes.length === 1)
    t.strictSame(a.closes, [1001])
    t.strictSame(closes, [])
    socket.close(4001)
    await until(() => b.closes.length === 1)
    t.strictSame(b.closes, [4001], 'the end passes to the new one')
    await until(() => chain.ends.length === 1)
  },
)

t.test('nothing is lost, doubled or reordered while connections are moved again and again under load', async t => {
  const apps = await Promise.all([startApp(t, 'a'), startApp(t, 'b'), startApp(t, 'c')])
  const chain = await startChain(t, apps[0] as App)
  const clients = await Promise.all(Array.from({ length: 8 }, () => connect(t, chain.url)))
  const sizes = [0, 1, 125, 126, 5000, 70_000, 300_000]
  const messages = 400
  let moves = 0
  let sending = true
  const moving = chain.connections.map(async (connection, n) => {
    for (let k = 1; sending; k++) {
      const result = await handOver(connection, apps[(n + k) % 3] as App, { ...TIMES, lingerMs: 20 })
      if (result === 'moved') moves++
      else if (result !== 'busy') throw new Error(result)
      await new Promise(setImmediate)
    }
  })
  await Promise.all(
    clients.map(async ({ socket, received }, n) => {
      for (let seq = 0; seq < messages; seq++) {
        const text = `${seq} ${'x'.repeat(sizes[(seq + n) % sizes.length] as number)}`
        if (seq % 5 === 0) {
          socket.send(text.slice(0, 3), { fin: false })
          await new Promise(setImmediate)
          socket.send(text.slice(3), { fin: true })
        } else socket.send(text, { binary: seq % 7 === 0 })
        if (seq % 16 === 15) await until(() => received.length >= seq - 16)
      }
      await until(() => received.length >= messages)
    }),
  )
  sending = false
  await Promise.all(moving)
  for (const { received, closes } of clients) {
    t.strictSame(
      received.map(text => Number(text.split(' ')[1])),
      Array.from({ length: messages }, (_, seq) => seq),
    )
    t.strictSame(closes, [])
  }
  t.ok(moves > 20, `${moves} moves`)
})

t.test('an upstream that is cut off within a message leaves no part of it with the client, which goes on', async t => {
  const frame = encodeFrame(OPCODE.TEXT, Buffer.from('x'.repeat(2000)))
  for (const [limit, midMessage] of [
    [2000, false],
    [1999, true],
  ] as const) {
    const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
    const chain = await startChain(t, a, true, { MAX_QUEUE_BYTES: String(limit) })
    const { socket, received, closes } = await connect(t, chain.url)
    const connection = chain.connections[0] as Connection
    await until(() => a.sockets.size === 1)
    const [raw] = [...a.sockets].map(upstream => (upstream as unknown as { _socket: Socket })._socket)
    const upstream = connection.bridge.socket('upstream')
    const before = upstream.bytesRead
    raw?.write(Buffer.concat([encodeFrame(OPCODE.TEXT, Buffer.from('whole')), frame.subarray(0, 1000)]))
    await until(() => received.length === 1 && upstream.bytesRead === before + 1007)
    raw?.resetAndDestroy()
    await until(() => chain.losses.length === 1)
    t.strictSame(chain.losses, [{ code: 1006, midMessage }], `${limit} bytes may be kept`)
    if (midMessage) continue
    t.equal(await handOver(connection, b), 'moved')
    t.equal(connection.bridge.heldBytes, 0, 'what was kept is given up')
    socket.send('next')
    await until(() => received.length === 2)
    t.strictSame([received, closes], [['whole', 'b next'], []])
  }
})

t.test(
  'who is told when: the old upstream first, the new one when it has the client; what fails is taken back',
  async t => {
    const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
    const chain = await startChain(t, a)
    const { socket, received } = await connect(t, chain.url)
    const connection = chain.connections[0] as Connection
    const times = { ...TIMES, stayPing: Buffer.from('recall'), takePing: Buffer.from('welcome') }
    const [upstream] = a.sockets
    upstream?.send('half', { fin: false })
    t.equal(await handOver(connection, b, { ...times, boundaryMs: 50 }), 'busy')
    upstream?.send(' of it', { fin: true })
    socket.send('still there')
    await until(() => received.length === 2)
    t.strictSame(received, ['half of it', 'a still there'])
    t.strictSame(a.pings, ['farewell', 'recall'])
    t.strictSame(b.pings, [])
    t.equal(await handOver(connection, b, times), 'moved')
    await until(() => b.pings.length === 1)
    t.strictSame(a.pings, ['farewell', 'recall', 'farewell'])
    t.strictSame(b.pings, ['welcome'])
  },
)

t.test('the new upstream reads the first message before it is told that the client is its own', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
  const chain = await startChain(t, a, false, { REHOME_HELLO: 'first-text' })
  const { socket, received } = await connect(t, chain.url)
  socket.send('I am Ann')
  await until(() => received.length === 1)
  const read: string[] = []
  b.server.on('connection', upstream => {
    upstream.on('message', data => read.push(String(data)))
    upstream.on('ping', data => read.push(String(data)))
  })
  t.equal(await handOver(chain.connections[0] as Connection, b, { ...TIMES, takePing: Buffer.from('take') }), 'moved')
  await until(() => read.length === 2)
  t.strictSame(read, ['I am Ann', 'take'])
})

t.test('an app that answers no ping is waited for only so long; what it says late still comes', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a', { autoPong: false }), startApp(t, 'b')])
  const chain = await startChain(t, a)
  const { socket, received, closes } = await connect(t, chain.url)
  socket.send('later')
  await until(() => a.sockets.size === 1)
  t.equal(await handOver(chain.connections[0] as Connection, b, { ...TIMES, fenceMs: 50, lingerMs: 1000 }), 'moved')
  t.strictSame([a.pings, a.closes], [['farewell'], []], 'it has not answered, and is still there')
  socket.send('now')
  await until(() => received.length === 2)
  t.strictSame(received.toSorted(), ['a later', 'b now'])
  await until(() => a.closes.length === 1)
  t.strictSame(a.closes, [1001])
  t.strictSame(closes, [])
})

t.test('an old app that does not answer our close is cut off, and its client knows nothing of it', async t => {
  const seen: string[] = []
  const deaf = createServer().on('upgrade', ({ headers }, stream) => {
    const hash = createHash('sha1').update(`${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    const head = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n'
    stream.write(`${head}Sec-WebSocket-Accept: ${hash.digest('base64')}\r\n\r\n`)
    stream.on('data', (chunk: Buffer) => {
      if (chunk[0] === 0x88) seen.push('told')
    })
    stream.on('end', () => {
      seen.push('cut off')
      stream.destroy()
    })
  })
  await new Promise<void>(resolve => deaf.listen(0, '127.0.0.1', resolve))
  t.teardown(() => deaf.close())
  const b = await startApp(t, 'b')
  const chain = await startChain(t, deaf.address() as AddressInfo)
  const { socket, received, closes } = await connect(t, chain.url)
  const connection = chain.connections[0] as Connection
  t.equal(await handOver(connection, b, { ...TIMES, fenceMs: 50, lingerMs: 50 }), 'moved')
  await waitFor(() => seen.length === 2, 'it is cut off', 20_000)
  t.strictSame(seen, ['told', 'cut off'])
  t.ok(await connection.bridge.whenRetired(0))
  socket.send('x')
  await until(() => received.length === 1)
  t.strictSame([received, closes], [['b x'], []])
})

t.test('a client in the middle of a message is moved when the message has ended, or not in time', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
  const chain = await startChain(t, a)
  const { socket, received } = await connect(t, chain.url)
  socket.send('half', { fin: false })
  await until(() => a.sockets.size === 1)
  const connection = chain.connections[0] as Connection
  t.equal(await handOver(connection, b, { ...TIMES, boundaryMs: 50 }), 'busy')
  const moved = handOver(connection, b)
  socket.send(' and half', { fin: true })
  t.equal(await moved, 'moved')
  socket.send('next')
  await until(() => received.length === 2)
  t.strictSame(received, ['a half and half', 'b next'])
})

t.test('what apps push by themselves arrives, each message once and whole, up to the close that they see', async t => {
  const pushed = new Map<string, number>()
  const apps = await Promise.all(
    ['a', 'b'].map(async name => {
      const app = await startApp(t, name)
      let links = 0
      app.server.on('connection', socket => {
        const link = `${name}${links++}`
        pushed.set(link, 0)
        const timer = setInterval(() => {
          if (socket.readyState !== socket.OPEN) return
          const n = pushed.get(link) as number
          pushed.set(link, n + 1)
          const text = `${link} ${n} ${'x'.repeat(n % 10 === 0 ? 100_000 : 10)}`
          socket.send(text.slice(0, 5), { fin: false })
          socket.send(text.slice(5), { fin: true })
        }, 1)
        socket.on('close', () => clearInterval(timer))
      })
      return app
    }),
  )
  const chain = await startChain(t, apps[0] as App)
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(t, chain.url)))
  await Promise.all(
    chain.connections.map(async (connection, n) => {
      for (let k = 1; k < 12; k++) {
        const before = clients[n]?.received.length ?? 0
        t.equal(await handOver(connection, apps[k % 2] as App, { ...TIMES, lingerMs: 20 }), 'moved')
        await until(() => (clients[n]?.received.length ?? 0) > before + 20)
      }
    }),
  )
  // Else an app's close would end the connection under an upstream that still retires.
  for (const { bridge } of chain.connections) await bridge.whenRetired(10_000)
  for (const app of apps) for (const socket of app.sockets) socket.close(4000)
  await until(() => clients.every(({ closes }) => closes.length === 1))
  const seen = new Map<string, number[]>()
  for (const { received } of clients) {
    for (const text of received) {
      const [link = '', n] = text.split(' ')
      seen.set(link, [...(seen.get(link) ?? []), Number(n)])
    }
  }
  for (const [link, count] of pushed) {
    t.strictSame(
      seen.get(link) ?? [],
      Array.from({ length: count }, (_, n) => n),
      link,
    )
  }
})
