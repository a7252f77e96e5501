import type { Pipe } from '../pipe/pipe.ts'
import { closeUpstream } from '../socket/closing.ts'
import type { Answered } from '../socket/dial.ts'

/** Pings and time limits for moving a connection from one upstream to another. */
export interface HandOver {
  /** Payload of the control ping that announces the move to the old upstream, if it knows control pings. */
  readonly movePing?: Buffer
  /** Payload of the control ping that revokes it, if the connection stays with the old upstream. */
  readonly stayPing?: Buffer
  /** Payload of the control ping that tells the new upstream that it serves the client now. */
  readonly takePing?: Buffer
  /** Longest time for the old upstream to answer `movePing`, in milliseconds. */
  readonly fenceMs: number
  /** Longest time for both streams to reach a message boundary, in milliseconds. */
  readonly boundaryMs: number
  /** How long the old upstream may still answer, in milliseconds. */
  readonly lingerMs: number
}

/**
 * `gone`: the connection has ended meanwhile. `failed`: the new upstream ended before any bytes went to it. `busy`: no
 * message boundary came in time, or another hand-over is running. Unless `moved`, the new upstream is closed.
 */
export type HandedOver = 'moved' | 'gone' | 'failed' | 'busy'

/** A connection, as a hand-over uses it. */
export interface Handing {
  /** The stream from the client and the stream from the old upstream. */
  readonly inbound: Pipe
  readonly outbound: Pipe
  /** Whether the old upstream has ended (`isLost`), and whether the connection has (`isEnded`). */
  isLost(): boolean
  isEnded(): boolean
  /** Resolves when a condition holds, when the connection has ended, or on timeout. */
  until(condition: () => boolean, timeoutMs: number): Promise<void>
  fence(timeoutMs: number, payload: Buffer): Promise<boolean>
  /** Sends the old upstream a control ping. */
  tell(payload: Buffer): void
  /** Continues as before. */
  resume(): void
  /** Continues with the new upstream. Both streams have stopped between two messages. */
  change(next: Answered, lingerMs: number, takePing: Buffer | undefined): void
}

/**
 * Stops both streams of a connection between two messages and moves it to another upstream. The client's stream stops
 * first; then the old upstream is told and confirms that it has answered everything; then its own stream stops.
 */
export async function handOver(parts: Handing, next: Answered, times: HandOver): Promise<HandedOver> {
  const { inbound, outbound } = parts
  const { movePing, stayPing, takePing, fenceMs, boundaryMs, lingerMs } = times
  const { socket } = next
  socket.on('error', ignore)
  const abort = (result: HandedOver): HandedOver => {
    closeUpstream(socket)
    return result
  }
  try {
    inbound.stop()
    await parts.until(() => inbound.stopped, boundaryMs)
    const left = () => socket.closed || socket.readableEnded
    const told = movePing !== undefined && !parts.isLost() && inbound.stopped && !left()
    if (told) await parts.fence(fenceMs, movePing)
    if (!parts.isLost()) outbound.stop()
    const still = () => parts.isLost() || outbound.stopped
    await parts.until(still, boundaryMs)
    const ready = inbound.stopped && still()
    if (parts.isEnded()) {
      // Both sides' final bytes and close frames still have to pass.
      parts.resume()
      return abort('gone')
    }
    if (!ready || left()) {
      // Must precede any bytes of the client, because the old upstream serves them again.
      if (told && stayPing) parts.tell(stayPing)
      parts.resume()
      return abort(ready ? 'failed' : 'busy')
    }
    parts.change(next, lingerMs, takePing)
    return 'moved'
  } finally {
    socket.off('error', ignore)
  }
}

function ignore(): void {}
