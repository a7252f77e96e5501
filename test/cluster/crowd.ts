import { once } from 'node:events'
import { WebSocket } from 'ws'
import { RECEIPT_TYPE } from '../../lib/service/names.ts'
import { Random } from '../chaos/random.ts'
import { waitFor } from './wait.ts'

/** What went wrong since the last look; the texts say with whom. */
export interface Wrongs {
  readonly sent: number
  readonly disconnects: readonly string[]
  readonly lost: readonly Lost[]
  readonly doubled: readonly string[]
  readonly reordered: readonly string[]
}

/** A message that did not arrive. */
export interface Lost {
  readonly from: string
  readonly to: string
  /** Its place in the lane between the two. */
  readonly n: number
  /** Time of sending, in ms since the epoch. */
  readonly at: number
  /** What its sender was told of it; `none`: nothing, as of a message to oneself. */
  readonly outcome: string
}

/** Longest time for what was sent to arrive when nothing more is sent. */
const ARRIVE_LIMIT_MS = 20_000

/** What a user receives: a message of somebody, or what became of one of their own. */
interface Received {
  readonly type?: string
  readonly from: string
  readonly id: number
  readonly outcome: string
  readonly recipientId: string
}

/** One way of messages: from one user to another, or to themselves by way of the app. */
interface Lane {
  readonly from: string
  readonly to: string
  readonly sentAt: number[]
  readonly received: Set<number>
  /** By the number of the message. */
  readonly outcomes: Map<number, string>
  highest: number
}

/**
 * Users of the chat example who write to each other and to themselves, each message with its number, and who notice what is
 * missing, comes again or comes too late. Nobody connects again.
 */
export class Crowd {
  readonly #random: Random
  readonly #sockets = new Map<string, WebSocket>()
  readonly #lanes = new Map<string, Lane>()
  #timer: NodeJS.Timeout | undefined
  #sent = 0
  #disconnects: string[] = []
  #doubled: string[] = []
  #reordered: string[] = []
  #closing = false

  private constructor(seed: number) {
    this.#random = new Random(seed)
  }

  /**
   * @param address host:port of the balancer
   * @param seed of who writes to whom
   */
  static async connect(address: string, count: number, seed: number): Promise<Crowd> {
    const crowd = new Crowd(seed)
    for (let n = 0; n < count; n++) await crowd.#join(address, `user-${n}`)
    return crowd
  }

  /** The names of all users. */
  get users(): string[] {
    return [...this.#sockets.keys()]
  }

  /** Messages that were written since the last look. */
  get sent(): number {
    return this.#sent
  }

  /** Begins to write: so many messages a second, all users together. */
  talk(perSecond: number): void {
    const { users } = this
    const random = this.#random
    const everyMs = 20
    let due = 0
    this.#timer = setInterval(() => {
      for (due += (perSecond * everyMs) / 1000; due >= 1; due--) {
        const from = random.pick(users)
        this.#send(from, random.chance(0.4) ? from : random.pick(users))
      }
    }, everyMs)
  }

  /** Stops writing, waits for what is under way, and tells what went wrong since the last time. */
  async wrongs(): Promise<Wrongs> {
    clearInterval(this.#timer)
    const missing = () => {
      const lost: Lost[] = []
      for (const { from, to, sentAt, received, outcomes } of this.#lanes.values()) {
        for (const [n, at] of sentAt.entries()) {
          if (!received.has(n)) lost.push({ from, to, n, at, outcome: outcomes.get(n) ?? 'none' })
        }
      }
      return lost
    }
    await waitFor('all has arrived', async () => missing().length === 0, ARRIVE_LIMIT_MS).catch(() => {})
    const wrongs = {
      sent: this.#sent,
      disconnects: this.#disconnects,
      lost: missing(),
      doubled: this.#doubled,
      reordered: this.#reordered,
    }
    this.#sent = 0
    this.#disconnects = []
    this.#doubled = []
    this.#reordered = []
    this.#lanes.clear()
    return wrongs
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    this.#closing = true
    clearInterval(this.#timer)
    for (const socket of this.#sockets.values()) socket.terminate()
  }

  async #join(address: string, name: string): Promise<void> {
    const socket = new WebSocket(`ws://${address}/?user=${name}`, {
      handshakeTimeout: 20_000,
      perMessageDeflate: false,
    })
    socket.on('message', data => this.#receive(name, String(data)))
    socket.on('error', () => {})
    socket.on('close', (code, reason) => {
      if (!this.#closing) this.#disconnects.push(`${name}: ${code} ${reason}`)
    })
    await once(socket, 'open')
    this.#sockets.set(name, socket)
  }

  #send(from: string, to: string): void {
    const socket = this.#sockets.get(from)
    if (socket?.readyState !== WebSocket.OPEN) return
    const lane = this.#lane(from, to)
    socket.send(JSON.stringify({ recipientId: to, from, id: lane.sentAt.length }))
    lane.sentAt.push(Date.now())
    this.#sent++
  }

  #receive(to: string, text: string): void {
    const { type, from, id: n, outcome, recipientId } = JSON.parse(text) as Received
    if (type === RECEIPT_TYPE) {
      this.#lane(to, recipientId).outcomes.set(n, outcome)
      return
    }
    const name = `${from} to ${recipientId}`
    const lane = this.#lane(from, recipientId)
    if (recipientId !== to) this.#doubled.push(`${name} ${n} came to ${to}`)
    else if (lane.received.has(n)) this.#doubled.push(`${name} ${n}`)
    else if (n < lane.highest) this.#reordered.push(`${name} ${n} after ${lane.highest}`)
    lane.received.add(n)
    lane.highest = Math.max(lane.highest, n)
  }

  #lane(from: string, to: string): Lane {
    const name = `${from} to ${to}`
    let lane = this.#lanes.get(name)
    if (!lane) {
      lane = { from, to, sentAt: [], received: new Set(), outcomes: new Map(), highest: -1 }
      this.#lanes.set(name, lane)
    }
    return lane
  }
}
