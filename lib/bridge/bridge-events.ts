import type { Unparsed } from '../websocket/addressing/address-finder.ts'
import { CLOSE } from '../websocket/close-codes.ts'
import type { Message } from '../websocket/message.ts'
import type { OptionsOf } from './bridge-options.ts'
import { type BridgePipes, FROM } from './bridge-pipes.ts'
import type { Ending } from './ending.ts'
import type { Fence } from './handover/fence.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { Pipe, PipeListener } from './pipe/pipe.ts'
import type { Side, SocketHandler } from './socket/socket-handler.ts'
import type { Traffic } from './traffic.ts'

/** The parts of a bridge that its listeners report to. */
export interface EventTargets<B> {
  readonly pipes: BridgePipes
  readonly life: Lifecycle
  readonly traffic: Traffic
  readonly ending: Ending<B>
  readonly fence: Fence
}

/** Dispatches the events of both sockets to the parts of a bridge. */
export class SocketEvents<B> implements SocketHandler {
  readonly #traffic: Traffic
  readonly #ending: Ending<B>

  constructor(traffic: Traffic, ending: Ending<B>) {
    this.#traffic = traffic
    this.#ending = ending
  }

  receive(side: Side, chunk: Buffer): void {
    this.#traffic.receive(side, chunk)
  }

  drained(side: Side): void {
    this.#traffic.drained(side)
  }

  ended(side: Side): void {
    this.#ending.ended(side)
  }

  gone(side: Side): void {
    this.#ending.gone(side)
  }
}

/** Dispatches the events of both pipes to the parts of a bridge and to its owner. */
export class PipeEvents<B> implements PipeListener {
  readonly #bridge: B
  readonly #options: OptionsOf<B>
  #targets!: EventTargets<B>

  constructor(bridge: B, options: OptionsOf<B>) {
    this.#bridge = bridge
    this.#options = options
  }

  /** Must be called once before any bytes pass. The parts need the pipes and the pipes need this listener. */
  connect(targets: EventTargets<B>): void {
    this.#targets = targets
  }

  onCloseFrame(pipe: Pipe, payload: Buffer): boolean {
    return this.#targets.ending.onCloseFrame(pipe, payload)
  }

  onControl(_pipe: Pipe, payload: Buffer): void {
    this.#options.onControl?.(this.#bridge, payload)
  }

  onPong(pipe: Pipe): void {
    // A pong of the client or of an earlier upstream does not show what this upstream has read.
    if (pipe === this.#targets.pipes.upstream) this.#targets.fence.onPong()
  }

  onStopped(pipe: Pipe): void {
    const { pipes, traffic, life } = this.#targets
    if (pipe === pipes.upstream) pipes.lingering?.speak()
    traffic.regulate(FROM[pipe.direction])
    life.wakeUp()
  }

  onTooBig(pipe: Pipe): void {
    this.#targets.ending.onTooBig(pipe)
  }

  takes(pipe: Pipe, recipient: string): boolean {
    return this.#options.takes?.(this.#bridge, pipe.direction, recipient) ?? false
  }

  onAddressed(pipe: Pipe, recipient: string, message: Message): void {
    this.#options.onAddressed?.(this.#bridge, pipe.direction, recipient, message)
  }

  onUnparsed(pipe: Pipe, why: Unparsed): void {
    this.#options.onUnparsed?.(this.#bridge, pipe.direction, why)
  }

  onNoRoom(): void {
    this.#targets.ending.close('no_room', CLOSE.TRY_AGAIN_LATER, 'no room for this message')
  }
}
