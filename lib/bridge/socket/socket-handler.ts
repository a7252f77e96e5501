import type { Socket } from 'node:net'

/** The two ends of a bridged connection: the one that was accepted, and the one that was dialled. */
export type Side = 'client' | 'upstream'

/** Whoever looks after a socket now; it can be handed from one to another. */
export interface SocketHandler {
  receive(side: Side, chunk: Buffer): void
  /** What waited to be written is with the kernel. */
  drained(side: Side): void
  /** The other end sends nothing more. */
  ended(side: Side): void
  gone(side: Side): void
}

/** What an event of a socket has to find. */
const kOwner = Symbol('owner')
const kSide = Symbol('side')
type Attached = Socket & { [kOwner]: SocketHandler | undefined; [kSide]: Side }

/** A socket with more to write says so, and says when it has nothing more: the limits of connections cannot become lower. */
const SOCKET_MARK_BYTES = 16_384

/** The high-water mark of a socket whose connection may queue so many bytes. */
export const socketMark = (maxQueueBytes: number): number => Math.min(maxQueueBytes, SOCKET_MARK_BYTES)

/** Gives a paused socket to an owner, instead of the one that it had. */
export function attach(socket: Socket, owner: SocketHandler, side: Side): void {
  const attached = socket as Attached
  const known = attached[kOwner] !== undefined
  attached[kOwner] = owner
  attached[kSide] = side
  if (known) return
  // `on('data')` would make it flow.
  socket.pause()
  socket.on('data', onData).on('drain', onDrain).on('end', onEnd).on('close', onClose).on('error', onError)
}

// One function for all sockets instead of five closures for each.

function onData(this: Socket, chunk: Buffer): void {
  const { [kOwner]: owner, [kSide]: side } = this as Attached
  owner?.receive(side, chunk)
}

function onDrain(this: Socket): void {
  const { [kOwner]: owner, [kSide]: side } = this as Attached
  owner?.drained(side)
}

function onEnd(this: Socket): void {
  const { [kOwner]: owner, [kSide]: side } = this as Attached
  owner?.ended(side)
}

function onClose(this: Socket): void {
  const { [kOwner]: owner, [kSide]: side } = this as Attached
  owner?.gone(side)
}

/** The close that follows tells all there is to know. */
function onError(): void {}
