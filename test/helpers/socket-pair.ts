import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { connectLending } from '../../lib/bridge/socket/read-buffer.ts'
import type { Scope } from './stack.ts'
import { waitFor } from './wait.ts'

/** Bytes for which a queue of a socket is full, as in our programs. */
export const HIGH_WATER_MARK = 16_384

/** A TCP connection within this process. */
export interface SocketPair {
  /** Our end: paused, lends its chunks and may be half open, as every socket of a bridge. */
  readonly ours: Socket
  /** The peer's end, which keeps what it receives. */
  readonly peer: Socket
  /** All bytes that the peer has received. */
  readonly received: () => Buffer
  /** Waits until the peer has received this many bytes. */
  readonly gets: (bytes: number) => Promise<Buffer>
}

export async function socketPair(t: Scope): Promise<SocketPair> {
  const server = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const ours = connectLending({
    host: '127.0.0.1',
    port,
    allowHalfOpen: true,
    noDelay: true,
    writableHighWaterMark: HIGH_WATER_MARK,
  })
  const [[peer]] = (await Promise.all([once(server, 'connection'), once(ours, 'connect')])) as [[Socket], unknown]
  ours.pause()
  server.close()
  const chunks: Buffer[] = []
  peer.on('data', chunk => chunks.push(chunk)).on('error', () => {})
  t.teardown(() => {
    ours.destroy()
    peer.destroy()
  })
  const received = () => Buffer.concat(chunks)
  return {
    ours,
    peer,
    received,
    async gets(bytes) {
      await waitFor(() => received().length >= bytes, `${bytes} bytes, ${received().length} are there`)
      return received()
    },
  }
}

/** Writes to a socket whose peer does not read, until the kernel takes no more and a queue is full. */
export async function clog({ ours, peer }: Pick<SocketPair, 'ours' | 'peer'>): Promise<void> {
  peer.pause()
  const piece = Buffer.alloc(65_536)
  while (!ours.writableNeedDrain) {
    ours.write(piece)
    // Gives the kernel the chance to take it.
    await new Promise(resolve => setImmediate(resolve))
  }
}
