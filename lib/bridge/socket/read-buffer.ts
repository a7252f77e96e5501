import { writeSync } from 'node:fs'
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { DuplexOptions } from 'node:stream'
import { POISON_READS_VARIABLE } from '../../service/names.ts'

/**
 * Less than the first receive window (65,483 bytes with the default `net.ipv4.tcp_rmem`). The kernel enlarges the receive buffer of a
 * socket, for good, when more than that is read within a round trip (Linux, `tcp_rcv_space_adjust`).
 */
const CAUTIOUS_READ_BYTES = 61_440

/** Twice the 64 KiB that Node reads at once, so that sixteen messages of 4 KiB arrive as one chunk. */
const FAST_READ_BYTES = 131_072

/** All sockets read into it: no read allocates memory. */
const fastBuffer = Buffer.allocUnsafeSlow(FAST_READ_BYTES)
const cautiousBuffer = fastBuffer.subarray(0, CAUTIOUS_READ_BYTES)

/**
 * How a socket is read. `cautious`: once in a turn of the event loop, within its first window, so that the kernel keeps no more than
 * that for it. `fast`: until it is empty; the kernel may then keep up to the maximum of `net.ipv4.tcp_rmem` (6 MiB by default).
 */
export type ReadMode = 'cautious' | 'fast'

const bufferOf = (mode: ReadMode): Buffer => (mode === 'fast' ? fastBuffer : cautiousBuffer)

/**
 * Whether each chunk is overwritten when its event is over. All tests set it: code that keeps a lent chunk without a copy is found at
 * once, and not only where another read happens to come in between.
 */
const poisons = process.env[POISON_READS_VARIABLE] === '1'

/** A byte that begins no frame, no HTTP message and no UTF-8 text. */
const POISON = 0xff

/**
 * Emits the bytes that were read as a chunk that is lent. A cautious socket that filled its buffer is not read again in the same turn
 * of the event loop: libuv would go on up to 32 times while other sockets wait.
 *
 * @returns whether the socket is read on at once
 */
function tell(socket: Socket, bytes: number, buffer: Uint8Array): boolean {
  socket.emit('data', fastBuffer.subarray(0, bytes))
  if (poisons) fastBuffer.fill(POISON, 0, bytes)
  if (buffer === fastBuffer || bytes < buffer.length) return true
  setImmediate(readOn, socket)
  return false
}

/** Unless it was paused meanwhile. */
function readOn(socket: Socket): void {
  if (!socket.destroyed && !socket.isPaused()) socket.resume()
}

/**
 * Connects a socket whose `data` events lend their chunk: it is valid only during the event, because the next read of any such
 * socket overwrites it. Whoever keeps bytes copies them, and whoever passes them on does it by {@link writeLent}.
 */
export function connectLending(options: TcpNetConnectOpts & DuplexOptions, mode: ReadMode = 'cautious'): Socket {
  const socket: Socket = connect({
    ...options,
    onread: { buffer: bufferOf(mode), callback: (bytes, buffer) => tell(socket, bytes, buffer) },
  })
  return socket
}

/** What `onread` sets when a socket is made, and `useUserBuffer` tells the handle; see {@link lend}. */
type Slots = Record<symbol, unknown> & { _handle?: { useUserBuffer?: (buffer: Buffer) => void } }

/** Shared by all sockets: Node calls it as a method of the socket. */
function onRead(this: Socket, bytes: number, buffer: Uint8Array): boolean {
  return tell(this, bytes, buffer)
}

/**
 * Makes an accepted socket lend its chunks too. Node offers `onread` only for sockets that are dialled, so this does by hand what
 * its constructor does with that option; where a version of Node has not the same places for it, the socket goes on as it is and
 * allocates for each read. Nobody may have listened for `data` yet.
 *
 * @returns what the socket has read already
 */
export function lend(socket: Socket, mode: ReadMode = 'cautious'): Buffer | undefined {
  const slots = socket as unknown as Slots
  const symbols = Object.getOwnPropertySymbols(socket)
  const find = (name: string) => symbols.find(({ description }) => description === name)
  const [buffer, callback, next] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')]
  const free = (slot: symbol | undefined): slot is symbol => slot !== undefined && slots[slot] === null
  if (!free(buffer) || !free(callback) || !free(next) || !slots._handle?.useUserBuffer) return undefined
  const early: Buffer | null = socket.read()
  slots[buffer] = bufferOf(mode)
  slots[callback] = onRead
  slots._handle.useUserBuffer(bufferOf(mode))
  return early ?? undefined
}

/**
 * Writes bytes that are lent. A stream keeps what the kernel does not take at once, and nobody knows before what that will be, so
 * it would need a copy of everything. So the kernel is asked first, past the stream, and only what it leaves is copied: it nearly
 * always takes all.
 */
export function writeLent(target: Socket, bytes: Buffer): void {
  const busy = target.writableLength > 0 || target.writableCorked > 0 || target.connecting
  const taken = busy ? 0 : offer(target, bytes)
  if (taken < bytes.length) target.write(Buffer.from(bytes.subarray(taken)))
}

/**
 * Offers bytes to the kernel for a socket that has nothing to write itself. Node has no call for this, but a handle tells its
 * file descriptor, except on Windows.
 *
 * @returns how many were taken; 0 also for a failure, which the stream meets again and tells in its own way
 */
function offer(socket: Socket, bytes: Buffer): number {
  const { fd = -1 } = (socket as unknown as { _handle?: { fd?: number } })._handle ?? {}
  if (fd < 0) return 0
  try {
    return writeSync(fd, bytes)
  } catch {
    return 0
  }
}
