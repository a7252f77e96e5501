import type { Socket } from 'node:net'

/** The two ends of a bridged connection: `client` was accepted, `upstream` was dialled. */
export type Side = 'client' | 'upstream'

/** The current owner of a socket; a socket can pass from one owner to another. */
export interface SocketHandler {
  receive(side: Side, chunk: Buffer): void
  /** The kernel has all bytes that waited to be written. */
  drained(side: Side): void
  /** The peer sends nothing more. */
  ended(side: Side): void
  gone(side: Side): void
}

/** Symbols under which a socket's event handlers find its owner and side. */
const kOwner = Symbol('owner')
const kSide = Symbol('side')
type Attached = Socket & { [kOwner]: SocketHandler | undefined; [kSide]: Side }

/**
 * Upper bound for high-water marks. A socket reports a full queue and its draining only above its mark, so effective
 * queue limits cannot be lower.
 */
const SOCKET_MARK_BYTES = 16_384

/** The high-water mark of a socket whose connection may queue up to this number of bytes. */
export const socketMark = (maxQueueBytes: number): number => Math.min(maxQueueBytes, SOCKET_MARK_BYTES)

/** Attaches a paused socket to an owner, which replaces the previous one. */
export function attach(socket: Socket, owner: SocketHandler, side: Side): void {
  const attached = socket as Attached
  const known = attached[kOwner] !== undefined
  attached[kOwner] = owner
  attached[kSide] = side
  if (known) return
  // `on('data')` would start the flow.
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

/** The `close` event that follows carries all we need. */
function onError(): void {}
