import { setTimeout as sleep } from 'node:timers/promises'
import type { Bridge, Loss } from '../../lib/bridge/bridge.ts'
import { decodeControlPing, encodeControlPing } from '../../lib/rehome/control-pings.ts'
import { CLOSE } from '../../lib/websocket/close-codes.ts'
import { OPCODE } from '../../lib/websocket/frames.ts'
import type { Identity } from './handshake-plan.ts'

/** Longest time for the app to read all that it was sent and to answer a ping, in milliseconds. */
const FENCE_MS = 2500

/** Longest time for the addressed messages of a client to have their outcomes, in milliseconds. */
const OUTCOMES_MS = 2000

/** A process that dies loses its connections one by one, and maybe last the one that it listens on. In milliseconds. */
const DYING_MS = 50

/** How long an app that says goodbye is watched: one that ends stops listening soon. In milliseconds. */
const GOODBYE_MS = 250
const PROBE_PAUSE_MS = 25

export interface ControlOptions {
  /** Whether the app takes connections. */
  accepts(): Promise<boolean>
  /** Resolves when no message that came in on this connection is under way. */
  idle(bridge: Bridge<Identity>): Promise<void>
  /** A user's connection is served by another member from now on. */
  movedTo(bridge: Bridge<Identity>, member: string): void
  /** It is not after all. */
  stayed(bridge: Bridge<Identity>): void
  /** A client that was arriving is served here. */
  taken(bridge: Bridge<Identity>): void
}

type Connection = Bridge<Identity>

/** The sidecar's part in moving clients: what balancer and sidecar tell each other in a connection (lib/rehome/control-pings.ts). */
export class RehomeControl {
  readonly #options: ControlOptions
  #looking: Promise<boolean> | undefined
  /**
   * Connections whose move is being finished, and the last move that came meanwhile: a balancer waits for its answer, and somebody
   * else who sends many must not make this process remember them.
   */
  readonly #finishing = new WeakMap<Connection, { next: Buffer | undefined }>()

  constructor(options: ControlOptions) {
    this.#options = options
  }

  /** What the balancer says about a connection. */
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

  /** Tells the balancer that a client should be moved. Without effect where no balancer is in front. */
  drain(connection: Connection): void {
    this.#say(connection, 'drain')
  }

  /**
   * The app has ended a connection. An app that meant this client still takes others; one that does not is gone, and the
   * balancer has to know which, before it sees the end.
   */
  onLost(connection: Connection, { code }: Loss): boolean {
    if (!connection.context.secret) return false
    if (code === CLOSE.ABNORMAL) void this.#explain(connection)
    else if (code === CLOSE.GOING_AWAY || code === CLOSE.SERVICE_RESTART) void this.#watch(connection)
    else return false
    return true
  }

  /** One at a time. */
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

  /** All that the client has sent has arrived, and all that the app had to say to it is on its way: the balancer may go on. */
  async #finish(connection: Connection, payload: Buffer): Promise<void> {
    await Promise.race([this.#options.idle(connection), sleep(OUTCOMES_MS, undefined, { ref: false })])
    await connection.fence(FENCE_MS)
    // Within a message of the app the client cannot be moved, and the balancer sees that only of what passes.
    connection.passBegun()
    await connection.control('client', OPCODE.PONG, payload)
  }

  async #explain(connection: Connection): Promise<void> {
    if (await this.#isAlive(DYING_MS)) this.#say(connection, 'ended')
    connection.giveUp()
  }

  /** Whether the app still takes connections, a moment from now; one answer for all that ask meanwhile: they may be thousands. */
  #isAlive(afterMs: number): Promise<boolean> {
    this.#looking ??= sleep(afterMs)
      .then(() => this.#options.accepts())
      .finally(() => {
        this.#looking = undefined
      })
    return this.#looking
  }

  async #watch(connection: Connection): Promise<void> {
    const until = performance.now() + GOODBYE_MS
    while (performance.now() < until) {
      if (!(await this.#isAlive(PROBE_PAUSE_MS))) {
        this.#say(connection, 'drain')
        break
      }
    }
    connection.giveUp()
  }

  #say(connection: Connection, type: 'drain' | 'ended'): void {
    const { secret } = connection.context
    if (secret) void connection.control('client', OPCODE.PING, encodeControlPing(secret, { type }))
  }
}
