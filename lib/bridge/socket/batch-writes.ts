import type { Socket } from 'node:net'

/** More than this is not kept back: the bytes count as waiting for a slow reader meanwhile. */
const GATHER_BYTES = 65_536

/** Sockets whose writes wait for the end of what is being done now. */
const gathering: Socket[] = []

/**
 * Makes one write of all that goes to a socket in this tick: messages of others come many at a time, and a write for each costs
 * more than all else.
 *
 * @param write writes something
 */
export function corkUntilNextTick(socket: Socket, write: () => void): void {
  if (socket.writableCorked === 0) {
    socket.cork()
    if (gathering.push(socket) === 1) process.nextTick(release)
  }
  write()
  if (socket.writableLength > GATHER_BYTES) socket.uncork()
}

function release(): void {
  for (const socket of gathering.splice(0)) socket.uncork()
}
