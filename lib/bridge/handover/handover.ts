import type { Pipe } from '../pipe/pipe.ts'
import { closeUpstream } from '../socket/closing.ts'
import type { Answered } from '../socket/dial.ts'

/** How a connection goes from one upstream to another. */
export interface HandOver {
  /** Payload of the control ping that tells the old upstream, if it knows control pings. */
  readonly movePing?: Buffer
  /** Payload of the control ping that takes that back, where the connection stays with the old upstream after all. */
  readonly stayPing?: Buffer
  /** Payload of the control ping that tells the new upstream that the client is its own. */
  readonly takePing?: Buffer
  /** Longest time for the old upstream to answer that, in milliseconds. */
  readonly fenceMs: number
  /** Longest time for both streams to come to a place between two messages, in milliseconds. */
  readonly boundaryMs: number
  /** How long the old upstream may still answer, in milliseconds. */
  readonly lingerMs: number
}

/**
 * `moved`; `gone`: the connection has ended meanwhile; `failed`: the new upstream has ended before anything went to it; `busy`: no
 * place between two messages came in time, or it is being moved already. Where it has not moved, the new upstream is left.
 */
export type HandedOver = 'moved' | 'gone' | 'failed' | 'busy'

/** What a hand-over has to do with a connection. */
export interface Handing {
  /** From the client, and from the old upstream. */
  readonly inbound: Pipe
  readonly outbound: Pipe
  /** Whether the old upstream has ended, and whether the connection has. */
  isLost(): boolean
  isEnded(): boolean
  /** Resolves when a condition holds, when the connection has ended, or when the time is up. */
  until(condition: () => boolean, timeoutMs: number): Promise<void>
  fence(timeoutMs: number, payload: Buffer): Promise<boolean>
  /** Sends the old upstream a control ping. */
  tell(payload: Buffer): void
  /** Goes on as before. */
  resume(): void
  /** Goes on with the new upstream. Both streams have stopped between two messages. */
  change(next: Answered, lingerMs: number, takePing: Buffer | undefined): void
}

/**
 * Brings both streams of a connection to a place between two messages and lets it go on with another upstream: first the client's stops,
 * then the old upstream is told, and says that it has answered what it had, then its own stops.
 */
export async function handOver(parts: Handing, next: Answered, times: HandOver): Promise<HandedOver> {
  const { inbound, outbound } = parts
  const { movePing, stayPing, takePing, fenceMs, boundaryMs, lingerMs } = times
  const arriving = next.socket
  arriving.on('error', ignore)
  const abort = (result: HandedOver): HandedOver => {
    closeUpstream(arriving)
    return result
  }
  try {
    inbound.stop()
    await parts.until(() => inbound.stopped, boundaryMs)
    const left = () => arriving.closed || arriving.readableEnded
    const told = movePing !== undefined && !parts.isLost() && inbound.stopped && !left()
    if (told) await parts.fence(fenceMs, movePing)
    if (!parts.isLost()) outbound.stop()
    const still = () => parts.isLost() || outbound.stopped
    await parts.until(still, boundaryMs)
    const ready = inbound.stopped && still()
    if (parts.isEnded()) {
      // What each side says of the end still has to pass.
      parts.resume()
      return abort('gone')
    }
    if (!ready || left()) {
      // Before anything that the client writes: from there on it is served there again.
      if (told && stayPing) parts.tell(stayPing)
      parts.resume()
      return abort(ready ? 'failed' : 'busy')
    }
    parts.change(next, lingerMs, takePing)
    return 'moved'
  } finally {
    arriving.off('error', ignore)
  }
}

function ignore(): void {}
