import type { Socket } from 'node:net'

/** More bytes than this are not corked, because they count as waiting for a slow reader meanwhile. */
const GATHER_BYTES = 65_536

/**
 * Combines all writes to a socket in this tick into one: injected messages come many at a time, and one write for each
 * costs more than all other work.
 *
 * @param write writes something
 */
export function corkUntilNextTick(socket: Socket, write: () => void): void {
  if (socket.writableCorked === 0) {
    socket.cork()
    process.nextTick(uncork, socket)
  }
  write()
  if (socket.writableLength > GATHER_BYTES) socket.uncork()
}

function uncork(socket: Socket): void {
  socket.uncork()
}
