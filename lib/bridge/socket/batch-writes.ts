import type { Socket } from 'node:net'

/** More bytes than this are not corked, because they count as waiting for a slow reader meanwhile. */
const GATHER_BYTES = 65_536

/** Sockets that are corked until the next tick. */
const gathering: Socket[] = []

/**
 * Combines all writes to a socket in this tick into one: injected messages come many at a time, and one write for each
 * costs more than all other work.
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
