import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { SocketReads } from '../../../../lib/bridge/socket/socket-reads.ts'
import { waitFor } from '../../../helpers/wait.ts'

const CAUTIOUS_BYTES = 61_440
const POURED_BYTES = 16_000_000

/** An app that sends more to each connection than the kernel takes. */
async function startApp(t: Test) {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket.on('error', () => {}))
    socket.write(Buffer.alloc(POURED_BYTES))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return (reads: SocketReads) => reads.connect({ port }).pause()
}

async function largestChunk(socket: Socket): Promise<number> {
  let [largest, bytes] = [0, 0]
  socket.on('data', (chunk: Buffer) => {
    largest = Math.max(largest, chunk.length)
    bytes += chunk.length
  })
  socket.resume()
  await waitFor(() => bytes === POURED_BYTES, 'all of it')
  return largest
}

async function close(socket: Socket): Promise<void> {
  socket.destroy()
  await once(socket, 'close')
}

t.test('sockets are read fast as far as the memory allows, and a closed one gives its place back', async t => {
  const connect = await startApp(t)
  const reads = new SocketReads(20 << 20)
  const [first, second] = [connect(reads), connect(reads)]
  t.ok((await largestChunk(second)) <= CAUTIOUS_BYTES, 'there is memory for one')
  t.ok((await largestChunk(first)) > CAUTIOUS_BYTES, 'which is read fast')
  await close(first)
  const third = connect(reads)
  t.ok((await largestChunk(third)) > CAUTIOUS_BYTES, 'its place is free again')
  await close(second)
  const fourth = connect(reads)
  t.ok((await largestChunk(fourth)) <= CAUTIOUS_BYTES, 'the second one had none')
  await Promise.all([close(third), close(fourth)])
})
