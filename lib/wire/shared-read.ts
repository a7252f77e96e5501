import { connect, type Socket, type TcpNetConnectOpts } from 'node:net'
import type { DuplexOptions } from 'node:stream'

/** More than Node reads at once by itself (64 KiB), so that sixteen messages of 4 KiB come as one chunk. */
const READ_BYTES = 131_072

/** What is read goes here, whichever socket it came from: nothing is allocated for a read. */
const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES)

/** Tells a socket of what was read, which is in the buffer, as a chunk that is lent. */
function tell(socket: Socket, bytes: number): true {
  socket.emit('data', readBuffer.subarray(0, bytes))
  return true
}

/**
 * Connects a socket whose `data` events lend their chunk: it is valid only during the event, because the next read of any such
 * socket overwrites it. Whoever keeps bytes copies them, and whoever passes them on does it by {@link writeLent}.
 */
export function connectLending(options: TcpNetConnectOpts & DuplexOptions): Socket {
  const socket: Socket = connect({
    ...options,
    onread: { buffer: readBuffer, callback: bytes => tell(socket, bytes) },
  })
  return socket
}

/** What `onread` sets when a socket is made, and `useUserBuffer` tells the handle; see {@link lend}. */
type Slots = Record<symbol, unknown> & { _handle?: { useUserBuffer?: (buffer: Buffer) => void } }

/** Shared by all sockets: Node calls it as a method of the socket. */
function onRead(this: Socket, bytes: number): boolean {
  return tell(this, bytes)
}

/**
 * Makes an accepted socket lend its chunks too. Node offers `onread` only for sockets that are dialled, so this does by hand what
 * its constructor does with that option; where a version of Node has not the same places for it, the socket goes on as it is and
 * allocates for each read. Nobody may have listened for `data` yet.
 *
 * @returns what the socket has read already
 */
export function lend(socket: Socket): Buffer | undefined {
  const slots = socket as unknown as Slots
  const symbols = Object.getOwnPropertySymbols(socket)
  const find = (name: string) => symbols.find(({ description }) => description === name)
  const [buffer, callback, next] = [find('kBuffer'), find('kBufferCb'), find('kBufferGen')]
  const free = (slot: symbol | undefined): slot is symbol => slot !== undefined && slots[slot] === null
  if (!free(buffer) || !free(callback) || !free(next) || !slots._handle?.useUserBuffer) return undefined
  const early: Buffer | null = socket.read()
  slots[buffer] = readBuffer
  slots[callback] = onRead
  slots._handle.useUserBuffer(readBuffer)
  return early ?? undefined
}

/** Where lent bytes are while the kernel takes them: used again and again, as long as it takes them at once. */
let outBuffer = Buffer.allocUnsafeSlow(READ_BYTES)
let outUsed = 0

/**
 * Writes bytes that are lent. A write that the kernel does not take whole needs its bytes for longer, and whether it will cannot
 * be known before; so they are copied first, which costs less than to have memory for each read. Such a write keeps at most
 * `READ_BYTES` from being freed, and a socket has only one: behind it, bytes get memory of their own.
 */
export function writeLent(target: Socket, bytes: Buffer): void {
  if (target.writableLength > 0) {
    target.write(Buffer.from(bytes))
    return
  }
  if (outUsed + bytes.length > outBuffer.length) {
    outBuffer = Buffer.allocUnsafeSlow(Math.max(READ_BYTES, bytes.length))
    outUsed = 0
  }
  const end = outUsed + bytes.copy(outBuffer, outUsed)
  target.write(outBuffer.subarray(outUsed, end))
  if (target.writableLength > 0) outUsed = end
}
