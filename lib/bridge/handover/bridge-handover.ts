import type { FirstMessage } from '../../websocket/first-message.ts'
import { encodeFrame, OPCODE } from '../../websocket/frames.ts'
import { nextMask } from '../../websocket/mask.ts'
import type { BridgePipes } from '../bridge-pipes.ts'
import type { Ending } from '../ending.ts'
import type { FlowControl } from '../flow-control.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Pipe } from '../pipe/pipe.ts'
import { closeUpstream } from '../socket/closing.ts'
import type { Answered } from '../socket/dial.ts'
import { attach, type SocketHandler } from '../socket/socket-handler.ts'
import type { Traffic } from '../traffic.ts'
import type { Fence } from './fence.ts'
import { type HandedOver, type Handing, type HandOver, handOver } from './handover.ts'
import { LingeringUpstream } from './lingering-upstream.ts'
import { WriteTurns } from './write-turns.ts'

/** The parts of a bridge that a hand-over uses. */
export interface HandoverParts {
  readonly pipes: BridgePipes
  readonly flow: FlowControl
  readonly life: Lifecycle
  readonly traffic: Traffic
  readonly ending: Pick<Ending<unknown>, 'terminate'>
  readonly fence: Fence
  /** Handles the socket of the upstream that serves the client. */
  readonly sockets: SocketHandler
  /** The message that each upstream must receive first, once it is recorded. */
  readonly first: FirstMessage | undefined
}

/** Hands a bridge over to another upstream; one hand-over at a time. */
export class BridgeHandover implements Handing {
  readonly #parts: HandoverParts
  #moving = false

  constructor(parts: HandoverParts) {
    this.#parts = parts
  }

  /** As `Bridge.handOver`. */
  async run(next: Answered, times: HandOver): Promise<HandedOver> {
    const { life, pipes } = this.#parts
    if (life.isEnded || this.#moving || pipes.lingering) {
      closeUpstream(next.socket)
      return life.isEnded ? 'gone' : 'busy'
    }
    this.#moving = true
    const result = await handOver(this, next, times)
    this.#moving = false
    return result
  }

  /** As `Bridge.whenRetired`. */
  async whenRetired(timeoutMs: number): Promise<boolean> {
    const { life, pipes } = this.#parts
    await life.until(() => !pipes.lingering, timeoutMs)
    return !pipes.lingering
  }

  get inbound(): Pipe {
    return this.#parts.pipes.client
  }

  get outbound(): Pipe {
    return this.#parts.pipes.upstream
  }

  isLost(): boolean {
    return this.#parts.life.isOrphaned
  }

  isEnded(): boolean {
    return this.#parts.life.isEnded
  }

  until(condition: () => boolean, timeoutMs: number): Promise<void> {
    return this.#parts.life.until(condition, timeoutMs)
  }

  fence(timeoutMs: number, payload: Buffer): Promise<boolean> {
    return this.#parts.fence.ask(timeoutMs, payload)
  }

  tell(payload: Buffer): void {
    if (!this.isEnded()) void this.inbound.control(OPCODE.PING, payload)
  }

  /** Undoes a stop. The client of a lost upstream stays stopped. */
  resume(): void {
    const { traffic } = this.#parts
    if (!this.isLost()) traffic.go('client')
    traffic.go('upstream')
  }

  change({ socket, rest }: Answered, lingerMs: number, takePing: Buffer | undefined): void {
    const { pipes, flow, life, traffic, sockets } = this.#parts
    const wasOrphaned = life.isOrphaned
    const old = pipes.upstream
    life.upstreamReplaced()
    flow.empty('client')
    flow.empty('upstream')
    old.resume()
    pipes.replaceUpstream(socket)
    flow.heard('upstream')
    attach(socket, sockets, 'upstream')
    this.#introduce(socket, takePing)
    if (wasOrphaned) {
      // The old upstream cannot complete the message that it has begun.
      old.abandon()
      closeUpstream(old.source)
    } else pipes.lingering = this.#linger(old, lingerMs)
    if (rest.length > 0) traffic.receive('upstream', rest)
    traffic.go('client')
    traffic.regulate('upstream')
    pipes.lingering?.start()
  }

  #introduce(socket: Answered['socket'], takePing: Buffer | undefined): void {
    const hello = this.#parts.first?.payload
    if (hello) socket.write(encodeFrame(OPCODE.TEXT, hello, nextMask()))
    // With the ping the sidecar lets waiting messages in: the app must know the client by then.
    if (takePing) socket.write(encodeFrame(OPCODE.PING, takePing, nextMask()))
  }

  #linger(old: Pipe, lingerMs: number): LingeringUpstream {
    const { pipes, life, traffic, ending } = this.#parts
    return new LingeringUpstream(old, new WriteTurns(pipes, life, traffic, () => ending.terminate()), lingerMs)
  }
}
