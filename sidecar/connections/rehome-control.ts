import { setTimeout as sleep } from 'node:timers/promises'
import type { Bridge, Loss } from '../../lib/bridge/bridge.ts'
import { decodeControlPing, encodeControlPing } from '../../lib/rehome/control-pings.ts'
import { CLOSE } from '../../lib/websocket/close-codes.ts'
import { OPCODE } from '../../lib/websocket/frames.ts'
import type { Identity } from './handshake-plan.ts'

/** Time limit for the app to read everything it was sent and to answer a ping, in milliseconds. */
const FENCE_MS = 2500

/** Time limit for a client's addressed messages to get their outcomes, in milliseconds. */
const OUTCOMES_MS = 2000

/** A dying process loses its connections one by one, its listening socket perhaps last. In milliseconds. */
const DYING_MS = 50

/** How long an app that sends a going-away close is probed, in milliseconds: an ending app soon stops listening. */
const GOING_AWAY_MS = 250
const PROBE_PAUSE_MS = 25

export interface ControlOptions {
  /** Whether the app accepts connections. */
  accepts(): Promise<boolean>
  /** Resolves when no message from this connection is in flight. */
  idle(bridge: Bridge<Identity>): Promise<void>
  /** Another member serves the connection from now on. */
  movedTo(bridge: Bridge<Identity>, member: string): void
  /** The announced move was cancelled. */
  stayed(bridge: Bridge<Identity>): void
  /** An arriving client is now served here. */
  taken(bridge: Bridge<Identity>): void
}

type Connection = Bridge<Identity>

/**
 * The sidecar's part in moving clients, by the control pings between balancer and sidecar
 * (lib/rehome/control-pings.ts).
 */
export class RehomeControl {
  readonly #options: ControlOptions
  #probing: Promise<boolean> | undefined
  /**
   * Connections whose move is being finished, each with the last move that came meanwhile. Only the last is kept: a
   * balancer waits for its answer, and a forger of many pings must not use up memory.
   */
  readonly #finishing = new WeakMap<Connection, { next: Buffer | undefined }>()

  constructor(options: ControlOptions) {
    this.#options = options
  }

  /** Handles the balancer's control ping about a connection. */
  onControl(connection: Connection, payload: Buffer): void {
    const control = decodeControlPing(payload)
    if (control?.type === 'take') this.#options.taken(connection)
    if (control?.type === 'stay') this.#options.stayed(connection)
    if (control?.type !== 'move') return
    this.#options.movedTo(connection, control.member)
    const finishing = this.#finishing.get(connection)
    if (finishing) finishing.next = payload
    else void this.#finishAll(connection, payload)
  }

  /** Asks the balancer to move a client. No effect without a balancer in front. */
  drain(connection: Connection): void {
    this.#sendPing(connection, 'drain')
  }

  /**
   * The app has ended a connection. If it meant only this client, it still accepts others; otherwise it is gone. The
   * balancer must know which before it sees the end.
   */
  onLost(connection: Connection, { code }: Loss): boolean {
    if (!connection.context.secret) return false
    if (code === CLOSE.ABNORMAL) void this.#explain(connection)
    else if (code === CLOSE.GOING_AWAY || code === CLOSE.SERVICE_RESTART) void this.#watch(connection)
    else return false
    return true
  }

  /** Finishes moves one at a time. */
  async #finishAll(connection: Connection, first: Buffer): Promise<void> {
    const finishing: { next: Buffer | undefined } = { next: first }
    this.#finishing.set(connection, finishing)
    while (finishing.next) {
      const payload = finishing.next
      finishing.next = undefined
      await this.#finish(connection, payload)
    }
    this.#finishing.delete(connection)
  }

  /** The client's messages have arrived and the app's responses are sent: the balancer may continue. */
  async #finish(connection: Connection, payload: Buffer): Promise<void> {
    await Promise.race([this.#options.idle(connection), sleep(OUTCOMES_MS, undefined, { ref: false })])
    await connection.fence(FENCE_MS)
    // The client cannot be moved within a message of the app, and the balancer only sees a message whose bytes are
    // passed.
    connection.passBegun()
    await connection.control('client', OPCODE.PONG, payload)
  }

  async #explain(connection: Connection): Promise<void> {
    if (await this.#isAlive(DYING_MS)) this.#sendPing(connection, 'ended')
    connection.giveUp()
  }

  /**
   * Whether the app still accepts connections after a delay; all callers share one probe, since there may be thousands.
   */
  #isAlive(afterMs: number): Promise<boolean> {
    this.#probing ??= sleep(afterMs)
      .then(() => this.#options.accepts())
      .finally(() => {
        this.#probing = undefined
      })
    return this.#probing
  }

  async #watch(connection: Connection): Promise<void> {
    const until = performance.now() + GOING_AWAY_MS
    while (performance.now() < until) {
      if (!(await this.#isAlive(PROBE_PAUSE_MS))) {
        this.#sendPing(connection, 'drain')
        break
      }
    }
    connection.giveUp()
  }

  #sendPing(connection: Connection, type: 'drain' | 'ended'): void {
    const { secret } = connection.context
    if (secret) void connection.control('client', OPCODE.PING, encodeControlPing(secret, { type }))
  }
}
