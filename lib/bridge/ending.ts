import { LEAST_HOLDING_BYTES } from '../service/memory/policy.ts'
import { CLOSE } from '../websocket/close-codes.ts'
import { encodeClose } from '../websocket/frames.ts'
import type { BridgeEnd, EndCause, OptionsOf } from './bridge-options.ts'
import { type BridgePipes, FROM, OTHER, SIDES } from './bridge-pipes.ts'
import type { FlowControl } from './flow-control.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { MemoryUse } from './memory-use.ts'
import type { Pipe } from './pipe/pipe.ts'
import type { Side } from './socket/socket-handler.ts'
import type { UpstreamLoss } from './state.ts'
import type { Traffic } from './traffic.ts'

/** The parts of a bridge that its end affects. */
export interface EndingParts {
  readonly pipes: BridgePipes
  readonly flow: FlowControl
  readonly life: Lifecycle
  readonly use: MemoryUse
  readonly traffic: Traffic
}

/** Ends a connection: passes the end of one side to the other, hides it from the client, or closes both sides. */
export class Ending<B> {
  readonly #bridge: B
  readonly #options: Pick<OptionsOf<B>, 'onLost' | 'onClosed'>
  readonly #pipes: BridgePipes
  readonly #flow: FlowControl
  readonly #life: Lifecycle
  readonly #use: MemoryUse
  readonly #traffic: Traffic

  constructor(bridge: B, options: Pick<OptionsOf<B>, 'onLost' | 'onClosed'>, parts: EndingParts) {
    this.#bridge = bridge
    this.#options = options
    this.#pipes = parts.pipes
    this.#flow = parts.flow
    this.#life = parts.life
    this.#use = parts.use
    this.#traffic = parts.traffic
  }

  /** @returns whether the close frame passes */
  onCloseFrame(pipe: Pipe, payload: Buffer): boolean {
    const side = FROM[pipe.direction]
    if (this.#life.isClosing) {
      // It has answered our close frame, or its own crossed ours; either way this connection is done.
      pipe.source.end()
      return false
    }
    const code = payload.length < 2 ? CLOSE.NO_STATUS : payload.readUInt16BE(0)
    if (side === 'upstream' && this.#keepsLoss(code, true)) return false
    const loss = this.#life.reveal()
    this.#life.finish({ cause: side, code, reason: payload.toString('utf8', 2) })
    this.#life.hurry()
    // A client that closes needs no other upstream.
    if (loss) this.#passOn(loss)
    return true
  }

  onTooBig(pipe: Pipe): void {
    this.#shut({ cause: 'too_big', code: CLOSE.TOO_BIG, reason: 'message too big' }, CLOSE.TOO_BIG)
    // Its answer to our close frame is behind bytes that we no longer read.
    pipe.source.end()
  }

  /** Whether the end of the upstream is hidden from the client. */
  #keepsLoss(code: number, closed: boolean): boolean {
    if (this.#life.isOrphaned) return true
    if (!this.#life.mayOrphan || !this.#options.onLost) return false
    // Must come first, because the owner may hand over the connection synchronously.
    this.#life.upstreamLost({ code, closed, ended: false, gone: false })
    const midMessage = !this.#pipes.upstream.betweenMessages
    if (!this.#options.onLost(this.#bridge, { code, midMessage })) {
      this.#life.reveal()
      return false
    }
    this.#flow.empty('client')
    this.#pipes.client.stop()
    this.#traffic.regulate('client')
    this.#life.wakeUp()
    return true
  }

  /** Whether a socket event of the upstream is hidden from the client too. */
  #keeps(what: 'ended' | 'gone'): boolean {
    if (this.#life.isClosing || !this.#keepsLoss(CLOSE.ABNORMAL, false)) return false
    const { loss } = this.#life
    if (loss) loss[what] = true
    return loss !== undefined
  }

  /** Passes the end of the upstream to the client, because no other upstream is available. */
  giveUp(): void {
    const loss = this.#life.reveal()
    if (loss) this.#passOn(loss)
  }

  #passOn(loss: UpstreamLoss): void {
    if (!this.#life.isEnded) this.#traffic.go('client')
    if (loss.closed) {
      this.#life.finish({ cause: 'upstream', code: loss.code, reason: '' })
      this.#pipes.upstream.passClose()
      this.#traffic.go('upstream')
      this.#life.hurry()
    }
    if (loss.gone) this.gone('upstream')
    else if (loss.ended) this.ended('upstream')
  }

  /** A side sends nothing more. */
  ended(side: Side): void {
    if (side === 'upstream' && this.#keeps('ended')) return
    // An upstream that half-closes without a close frame ignores everything from then on, even if the client stays
    // long.
    if (side === 'upstream') this.#life.finish({ cause: side, code: CLOSE.ABNORMAL, reason: '' })
    const pipe = this.#pipes[side]
    pipe.finish()
    // If we have closed both sides, each socket ends on its own; otherwise the other side sees the same half-close.
    if (this.#life.isClosing) pipe.source.end()
    else pipe.target.end()
    this.#life.hurry()
  }

  /** The socket of a side is closed. */
  gone(side: Side): void {
    if (side === 'upstream' && this.#keeps('gone')) return
    const loss = this.#life.reveal()
    this.#life.finish({ cause: side, code: CLOSE.ABNORMAL, reason: '' })
    if (loss) this.#passOn(loss)
    this.#life.socketGone()
    this.#pipes[OTHER[side]].abandon()
    this.#pipes.lingering?.end()
    this.#pipes.lingering = undefined
    if (this.#life.isClosed) this.#closed()
    else this.#passGone(side)
  }

  #passGone(side: Side): void {
    this.#pipes[side].finish()
    // Bytes that it had sent still reach the other side before the end, unless we have closed both sides ourselves.
    if (!this.#life.isClosing) this.#pipes[side].target.destroySoon()
    this.#life.hurry()
  }

  #closed(): void {
    for (const side of SIDES) this.#use.setQueued(side, 0)
    const { end } = this.#life
    if (end) this.#options.onClosed?.(this.#bridge, end)
    this.#life.resolveClosed()
  }

  /** Closes both sides: the client with this code and reason, the upstream as if the client went away. */
  close(cause: Exclude<EndCause, Side>, code: number, reason: string): void {
    this.#shut({ cause, code, reason }, CLOSE.GOING_AWAY)
  }

  #shut(end: BridgeEnd, upstreamCode: number): void {
    if (this.#life.isEnded) return
    const loss = this.#life.reveal()
    this.#life.finish(end)
    // A close frame cannot be written inside a frame of the lingering upstream.
    if (this.#pipes.lingering?.writing) this.terminate()
    else this.#closeBoth(end, upstreamCode)
    if (loss) this.#passOn(loss)
  }

  #closeBoth(end: BridgeEnd, upstreamCode: number): void {
    const { client, upstream, lingering } = this.#pipes
    lingering?.end()
    upstream.close(encodeClose(end.code, end.reason))
    client.close(encodeClose(upstreamCode))
    // Buffered bytes are no longer kept for another upstream: the answers to our close frames may be among them.
    client.go()
    upstream.go()
    // From now on both sides are read only for the answers to our close frames.
    client.source.resume()
    upstream.source.resume()
    this.#life.hurry()
  }

  /** Destroys both sockets at once, without a close handshake. */
  terminate(): void {
    const loss = this.#life.reveal()
    this.#life.finish({ cause: 'terminated', code: CLOSE.ABNORMAL, reason: '' })
    this.#pipes.client.source.destroy()
    this.#pipes.upstream.source.destroy()
    this.#pipes.lingering?.end()
    if (loss) this.#passOn(loss)
  }

  /** As `Bridge.evict`. */
  evict(inKernel: Readonly<Record<Side, number>>): void {
    const held = { client: this.#pipes.upstream.queuedBytes, upstream: this.#pipes.client.queuedBytes }
    this.close('memory', CLOSE.TRY_AGAIN_LATER, 'out of memory')
    for (const side of SIDES) {
      // Without a reset the kernel would keep its buffers for a peer that does not read.
      if (held[side] + inKernel[side] >= LEAST_HOLDING_BYTES) this.#pipes[side].source.resetAndDestroy()
    }
  }
}
