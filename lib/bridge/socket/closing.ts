import type { Socket } from 'node:net'
import { CLOSE } from '../../websocket/close-codes.ts'
import { encodeClose, encodeFrame, OPCODE } from '../../websocket/frames.ts'
import { nextMask } from '../../websocket/mask.ts'
import { attach, type SocketHandler } from './socket-handler.ts'

/** Longest time for an upstream to end after our close frame, in milliseconds. */
const LEAVE_MS = 5000

/** Tells an upstream, at a place between two frames, that its client goes away, so that the app sees a clean close. */
export function sendGoingAway(socket: Socket): void {
  if (socket.writable) socket.write(encodeFrame(OPCODE.CLOSE, encodeClose(CLOSE.GOING_AWAY), nextMask()))
}

/** Ends an upstream connection that is no longer needed and has been sent a close frame; destroys it on timeout. */
export function lingerClose(socket: Socket): void {
  if (socket.closed) return
  const timer = setTimeout(() => socket.destroy(), LEAVE_MS)
  const owner: SocketHandler = {
    receive() {},
    drained() {},
    ended: () => socket.destroySoon(),
    gone: () => clearTimeout(timer),
  }
  attach(socket, owner, 'upstream')
  if (socket.readableEnded) socket.destroySoon()
  else socket.resume()
}

/** Closes an upstream that has not been sent a close frame. */
export function closeUpstream(socket: Socket): void {
  sendGoingAway(socket)
  lingerClose(socket)
}
