import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { connectLending, lend, type ReadMode, writeLent } from '../../../../lib/bridge/socket/read-buffer.ts'
import { waitFor } from '../../../helpers/wait.ts'

/** A lending socket and the other end of it. */
async function pair(t: Test, mode?: ReadMode): Promise<{ lending: Socket; other: Socket }> {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const lending = connectLending({ host: '127.0.0.1', port: (server.address() as AddressInfo).port }, mode)
  const [[other]] = (await Promise.all([once(server, 'connection'), once(lending, 'connect')])) as [[Socket], unknown]
  t.teardown(() => {
    lending.destroy()
    other.destroy()
    server.close()
  })
  return { lending, other }
}

/** The server's socket of a handshake, and the client's. */
async function upgraded(t: Test): Promise<{ client: Socket; accepted: Socket }> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const asking = request({ port, headers: { Connection: 'Upgrade', Upgrade: 'x' } }).end()
  const [, accepted] = (await once(server, 'upgrade')) as [IncomingMessage, Socket]
  accepted.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')
  const [, client] = (await once(asking, 'upgrade')) as [IncomingMessage, Socket]
  t.teardown(() => {
    client.destroy()
    accepted.destroy()
    server.close()
  })
  return { client, accepted }
}

/** Fills the kernel's buffers of a paused lending socket, and lets it read all of that and more. */
async function pour(from: Socket, lending: Socket): Promise<void> {
  const big = Buffer.alloc(8_000_000)
  from.write(big)
  await waitFor(() => from.writableLength > 0, 'the kernel is full')
  lending.resume()
  await waitFor(() => lending.bytesRead === big.length, 'all of it')
}

/** The next chunk, read during its event. */
const text = (socket: Socket) => new Promise<string>(resolve => socket.once('data', chunk => resolve(String(chunk))))

t.test('all lending sockets read into the same memory, dialled and accepted ones', async t => {
  const first = await pair(t)
  const second = await pair(t)
  const { client, accepted } = await upgraded(t)
  t.equal(lend(accepted), undefined, 'nothing was read before')
  const memory = new Set<ArrayBufferLike>()
  const seen: string[] = []
  for (const socket of [first.lending, second.lending, accepted]) {
    socket.on('data', (chunk: Buffer) => {
      memory.add(chunk.buffer)
      seen.push(chunk.toString())
    })
  }
  first.other.write('one')
  second.other.write('two')
  client.write('three')
  await waitFor(() => seen.length === 3, 'three chunks')
  t.same(seen.toSorted(), ['one', 'three', 'two'])
  t.equal(memory.size, 1, 'this version of Node has the places that accepted sockets need')
})

t.test('a chunk that is kept without a copy is of no use after its event, in all tests', async t => {
  const { lending, other } = await pair(t)
  const kept: Buffer[] = []
  lending.on('data', (chunk: Buffer) => {
    kept.push(chunk, Buffer.from(chunk))
  })
  other.write('bytes')
  await waitFor(() => kept.length === 2, 'a chunk')
  t.strictSame(kept[0], Buffer.alloc(5, 0xff))
  t.equal(String(kept[1]), 'bytes')
})

t.test('an accepted socket gives what it has read before', async t => {
  const { client, accepted } = await upgraded(t)
  client.write('early')
  await waitFor(() => accepted.readableLength === 5, 'it has read')
  t.equal(String(lend(accepted)), 'early')
  const got = text(accepted)
  client.write('late')
  t.equal(await got, 'late')
})

t.test('a socket without the places goes on as it was', async t => {
  const { other, lending } = await pair(t)
  // It has `onread` already, which is not touched.
  t.equal(lend(lending), undefined)
  const got = text(lending)
  other.write('bytes')
  t.equal(await got, 'bytes')
})

t.test('a pause holds, also in the round of a resume', async t => {
  const { lending, other } = await pair(t)
  let chunks = 0
  lending.on('data', () => {
    chunks++
    lending.resume()
    lending.pause()
  })
  const big = Buffer.alloc(8_000_000)
  other.write(big)
  await waitFor(() => chunks > 0, 'a first chunk')
  await waitFor(() => other.writableLength > 0, 'the other end waits')
  const { bytesRead } = lending
  for (let round = 0; round < 50; round++) await new Promise(resolve => setImmediate(resolve))
  t.ok(lending.bytesRead <= bytesRead + 61_440, 'at most one chunk more')
  lending.removeAllListeners('data').on('data', () => {})
  lending.resume()
  await waitFor(() => lending.bytesRead === big.length, 'all of it when it goes on')
})

t.test('a socket that has much to read is read once in a turn, within what its first window is', async t => {
  const { lending, other } = await pair(t)
  let turn = 0
  const turns: number[] = []
  const next = () => {
    turn++
    if (!lending.destroyed) setImmediate(next)
  }
  next()
  let most = 0
  lending.pause()
  lending.on('data', (chunk: Buffer) => {
    turns.push(turn)
    most = Math.max(most, chunk.length)
  })
  await pour(other, lending)
  t.equal(new Set(turns).size, turns.length, 'each chunk has a turn of its own')
  t.ok(most > 32_768 && most < 65_483, `it was full once at least: ${most}`)
})

t.test('a socket that is read fast takes what sixteen messages of 4 KiB need as one chunk', async t => {
  const { lending, other } = await pair(t, 'fast')
  let most = 0
  lending.pause()
  lending.on('data', (chunk: Buffer) => {
    most = Math.max(most, chunk.length)
  })
  await pour(other, lending)
  t.ok(most > 65_664 && most <= 131_072, `its largest chunk: ${most}`)
})

t.test('what slow readers have not taken stays as it is while others write', async t => {
  const server = createTcpServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const readers: Socket[] = []
  server.on('connection', socket => readers.push(socket))
  const writers = Array.from({ length: 4 }, () => connect({ host: '127.0.0.1', port }))
  await Promise.all(writers.map(writer => once(writer, 'connect')))
  await waitFor(() => readers.length === writers.length, 'all are accepted')
  t.teardown(() => {
    for (const socket of [...writers, ...readers]) socket.destroy()
    server.close()
  })
  const sent = new Map<number, Buffer[]>(writers.map(({ localPort }) => [localPort as number, []]))
  const lent = Buffer.alloc(100_000)
  // Nobody reads, so some writes are taken in part and others not at all.
  for (let n = 0; writers.some(({ writableLength }) => writableLength < 300_000); n++) {
    const writer = writers[n % writers.length] as Socket
    const bytes = lent.subarray(0, 1 + ((n * 7919) % lent.length))
    randomBytes(bytes.length).copy(bytes)
    sent.get(writer.localPort as number)?.push(Buffer.from(bytes))
    writeLent(writer, bytes)
    await new Promise(resolve => setImmediate(resolve))
  }
  for (const reader of readers) {
    const expected = Buffer.concat(sent.get(reader.remotePort as number) ?? [])
    const got: Buffer[] = []
    let length = 0
    reader.on('data', (chunk: Buffer) => {
      got.push(chunk)
      length += chunk.length
    })
    reader.resume()
    await waitFor(() => length >= expected.length, 'all bytes')
    t.ok(Buffer.concat(got).equals(expected), `${length} bytes arrive as they were`)
  }
})

t.test('lent bytes keep their place among those of the stream', async t => {
  const { lending, other } = await pair(t)
  let got = ''
  other.setEncoding('latin1').on('data', (chunk: string) => {
    got += chunk
  })
  lending.write('a')
  writeLent(lending, Buffer.from('b'))
  lending.cork()
  lending.write('c')
  writeLent(lending, Buffer.from('d'))
  lending.uncork()
  writeLent(lending, Buffer.from('e'))
  lending.write('f')
  await waitFor(() => got.length === 6, 'all of it')
  t.equal(got, 'abcdef')
})

t.test('a socket that takes nothing any more says so as for any other write', async t => {
  const { lending, other } = await pair(t)
  lending.on('data', () => {})
  other.resetAndDestroy()
  await once(other, 'close')
  const failed = once(lending, 'error')
  // The first one after a reset may still be taken.
  while (!lending.destroyed && lending.errored === null) {
    writeLent(lending, Buffer.from('x'))
    await new Promise(resolve => setImmediate(resolve))
  }
  t.match(await failed, [{ code: /^(?:EPIPE|ECONNRESET)$/ }])
  await waitFor(() => lending.destroyed, 'it is gone')
  t.doesNotThrow(() => writeLent(lending, Buffer.from('y')))
})

t.test('a socket that does not tell its descriptor is written to as a stream', async t => {
  const { lending, other } = await pair(t)
  const got = once(other, 'data')
  Object.defineProperty((lending as unknown as { _handle: object })._handle, 'fd', { value: -1 })
  writeLent(lending, Buffer.from('bytes'))
  t.equal(String((await got)[0]), 'bytes')
})
