import type { Socket } from 'node:net'
import t from 'tap'
import { encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'
import { type Connection, connect, handOver, startApp, startChain, TIMES, until } from '../chain.ts'

t.test('what the old app still answers comes between the messages of the new one', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
  const chain = await startChain(t, a)
  const { socket, received } = await connect(t, chain.url)
  socket.send(`later ${'x'.repeat(200_000)}`)
  await until(() => a.sockets.size === 1)
  socket.send('now')
  await until(() => received.length === 1)
  t.equal(await handOver(chain.connections[0] as Connection, b), 'moved')
  for (let n = 0; n < 50; n++) socket.send(`${n} ${'y'.repeat(20_000)}`)
  await until(() => received.length === 52)
  t.strictSame(
    received.filter(text => text.startsWith('b ')).map(text => Number(text.split(' ')[1])),
    Array.from({ length: 50 }, (_, n) => n),
  )
  t.equal(received.filter(text => text === `a later ${'x'.repeat(200_000)}`).length, 1)
})

t.test('a message of ours waits for the end of the one that the old upstream is sending', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
  // Larger than what is kept until it is whole.
  const rest = 'x'.repeat(2000)
  const chain = await startChain(t, a, false, { MAX_QUEUE_BYTES: '1024' })
  const { socket, received, closes } = await connect(t, chain.url)
  const { bridge } = chain.connections[0] as Connection
  const pings: string[] = []
  socket.on('ping', data => pings.push(data.toString()))
  await until(() => a.sockets.size === 1)
  const [old] = a.sockets
  const raw = (old as unknown as { _socket: Socket })._socket
  t.equal(await handOver(chain.connections[0] as Connection, b, { ...TIMES, lingerMs: 20_000 }), 'moved')
  const frame = encodeFrame(OPCODE.TEXT, Buffer.from(`first${rest}`))
  const { _socket: end } = socket as unknown as { _socket: Socket }
  const before = end.bytesRead
  raw.write(frame.subarray(0, 9))
  await until(() => end.bytesRead === before + 9)
  const ours = bridge.send('client', { data: Buffer.from('ours'), binary: false })
  const ping = bridge.control('client', OPCODE.PING, Buffer.from('here'))
  socket.send('x')
  raw.write(frame.subarray(9))
  t.equal(await ours, 'sent')
  t.ok(await ping)
  await until(() => received.length === 3 && pings.length === 1)
  t.strictSame([received, pings, closes], [[`first${rest}`, 'ours', 'b x'], ['here'], []])
})
