import { writeSync } from 'node:fs'
import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { DuplexOptions } from 'node:stream'
import { POISON_READS_VARIABLE } from '../../service/names.ts'

/**
 * Less than the first receive window (65,483 bytes with the default `net.ipv4.tcp_rmem`). If more is read within a
 * round trip, Linux enlarges the receive buffer of a socket permanently (`tcp_rcv_space_adjust`).
 */
const CAUTIOUS_READ_BYTES = 61_440

/** Twice the 64 KiB that Node reads at once, so that sixteen messages of 4 KiB arrive as one chunk. */
const FAST_READ_BYTES = 131_072

/** All sockets are read into this buffer, so that a read allocates no memory. */
const fastBuffer = Buffer.allocUnsafeSlow(FAST_READ_BYTES)
const cautiousBuffer = fastBuffer.subarray(0, CAUTIOUS_READ_BYTES)

/**
 * How a socket is read. `cautious`: once per turn of the event loop and within its first window, so that the kernel
 * buffers no more than that. `fast`: until it is empty; the kernel may buffer up to the maximum of `net.ipv4.tcp_rmem`
 * (6 MiB by default).
 */
export type ReadMode = 'cautious' | 'fast'

const bufferOf = (mode: ReadMode): Buffer => (mode === 'fast' ? fastBuffer : cautiousBuffer)

/**
 * Whether each chunk is overwritten after its event. All tests set it, so that code that keeps a lent chunk without a
 * copy fails at once, not only when another read comes in between.
 */
const poisons = process.env[POISON_READS_VARIABLE] === '1'

/** A byte that begins no frame, no HTTP message and no UTF-8 text. */
const POISON = 0xff

/**
 * Emits the bytes that were read as a lent chunk. A cautious socket that filled its buffer is not read again in the
 * same turn of the event loop, because libuv would read it up to 32 times while other sockets wait.
 *
 * @returns whether to continue reading at once
 */
function tell(socket: Socket, bytes: number, buffer: Uint8Array): boolean {
  socket.emit('data', fastBuffer.subarray(0, bytes))
  if (poisons) fastBuffer.fill(POISON, 0, bytes)
  if (buffer === fastBuffer || bytes < buffer.length) return true
  setImmediate(readOn, socket)
  return false
}

/** Unless the socket was paused meanwhile. */
function readOn(socket: Socket): void {
  if (!socket.destroyed && !socket.isPaused()) socket.resume()
}

/**
 * Connects a socket whose `data` events lend their chunk: it is valid only during the event, because the next read of
 * any such socket overwrites it. A handler copies bytes that it keeps, and passes bytes on with {@link writeLent}.
 */
export function connectLending(options: TcpNetConnectOpts & DuplexOptions, mode: ReadMode = 'cautious'): Socket {
  const socket: Socket = connect({
    ...options,
    onread: { buffer: bufferOf(mode), callback: (bytes, buffer) => tell(socket, bytes, buffer) },
  })
  return socket
}

/** Fields that `onread` sets when Node makes a socket; `useUserBuffer` tells the handle. See {@link lend}. */
type Slots = Record<symbol, unknown> & { _handle?: { useUserBuffer?: (buffer: Buffer) => void } }

/** Shared by all sockets: Node calls it as a method of the socket. */
function onRead(this: Socket, bytes: number, buffer: Uint8Array): boolean {
  return tell(this, bytes, buffer)
}

/**
 * Makes an accepted socket lend its chunks too. Node offers `onread` only for dialled sockets, so this repeats by hand
 * what Node's constructor does with that option. If the Node version lacks these fields, the socket stays unchanged and
 * allocates for each read. Must be called before any `data` listener is added.
 *
 * @returns bytes that the socket has already read
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
 * Writes lent bytes. A stream keeps the bytes that the kernel does not take at once, and their number is not known in
 * advance, so every write would need a copy. Therefore the kernel is asked first, bypassing the stream, and only the
 * remainder is copied; the kernel nearly always takes all.
 */
export function writeLent(target: Socket, bytes: Buffer): void {
  const busy = target.writableLength > 0 || target.writableCorked > 0 || target.connecting
  const taken = busy ? 0 : offer(target, bytes)
  if (taken < bytes.length) target.write(Buffer.from(bytes.subarray(taken)))
}

/**
 * Offers bytes to the kernel for a socket whose own queue is empty. Node has no API for this, but a handle has a file
 * descriptor, except on Windows.
 *
 * @returns number of bytes taken; 0 also on failure, which the stream then meets and reports itself
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
