import { WebSocket } from 'ws'
import { UPSTREAM_HOST_HEADER } from '../../lib/service/names.ts'
import { pause } from '../../local/wait.ts'
import { userOf } from './events.ts'
import { type DirectNote, type Note, now, padding, readNote, readReceipt, type UpNote } from './messages.ts'
import type { Random } from './random.ts'
import type { Recorder } from './recorder.ts'

const CONNECT_LIMIT_MS = 10_000
const RECONNECT_MS = 200
/** Longest time between two fragments of a message. */
const FRAGMENT_GAP_MS = 150
const MAX_LATE_MS = 300
/** A sender whose messages are not taken waits, as a browser's should. */
const MAX_BUFFERED = 4_000_000

export interface DeviceOptions {
  /** "user/device". */
  readonly name: string
  /** host:port of the balancers. */
  readonly balancers: readonly string[]
  /** All users, to write to. */
  readonly users: readonly string[]
  /** Mean pause between messages, in milliseconds. */
  readonly pauseMs: number
  readonly random: Random
  readonly recorder: Recorder
}

/** One device of a user: a connection, which writes to the app and to other users, and comes back when it was closed. */
export class Device {
  readonly #options: DeviceOptions
  readonly #user: string
  readonly #end = new AbortController()
  #generation = 0
  #socket: WebSocket | undefined
  #c = ''
  #ups = 0
  /** Messages to each user on this connection. */
  readonly #directs = new Map<string, number>()
  #writing: Promise<void> | undefined
  #quiet = false

  constructor(options: DeviceOptions) {
    this.#options = options
    this.#user = userOf(options.name)
  }

  /** Connects, again and again until it is accepted. */
  async connect(): Promise<void> {
    while (!this.#end.signal.aborted && !(await this.#open())) await pause(RECONNECT_MS, this.#end.signal)
  }

  /** Begins to write. */
  talk(): void {
    this.#writing = this.#talk()
  }

  /** Ends what is being written; listens on. */
  async quiet(): Promise<void> {
    this.#quiet = true
    await this.#writing
  }

  close(): void {
    this.#end.abort()
    this.#socket?.close(1000)
  }

  /** Ends at once, whatever it does: nothing of it goes on. */
  terminate(): void {
    this.#quiet = true
    this.#end.abort()
    this.#socket?.terminate()
  }

  #open(): Promise<boolean> {
    const { name, balancers, random, recorder } = this.#options
    const c = `${name}.${this.#generation++}`
    const balancer = random.pick(balancers)
    const url = `ws://${balancer}/?user=${this.#user}&c=${c}`
    const socket = new WebSocket(url, { perMessageDeflate: false, handshakeTimeout: CONNECT_LIMIT_MS })
    let member = ''
    socket.on('upgrade', ({ headers }) => {
      member = String(headers[UPSTREAM_HOST_HEADER] ?? '')
    })
    return new Promise(resolve => {
      socket.on('error', () => resolve(false))
      socket.on('open', () => {
        if (this.#end.signal.aborted) {
          socket.terminate()
          resolve(false)
          return
        }
        this.#socket = socket
        this.#c = c
        this.#ups = 0
        this.#directs.clear()
        recorder.add({ e: 'open', at: now(), c, balancer, member })
        socket.on('close', code => {
          const expected = this.#end.signal.aborted
          recorder.add({ e: 'closed', at: now(), c, code, expected })
          if (!expected) void this.connect()
        })
        resolve(true)
      })
      socket.on('message', (data: Buffer) => this.#received(c, data))
    })
  }

  #received(c: string, data: Buffer): void {
    const { recorder } = this.#options
    const at = now()
    const note = readNote(data)
    const receipt = note ? undefined : readReceipt(data)
    if (note?.t === 'echo' && note.c === c) recorder.add({ e: 'echo', at, c, n: note.n, late: note.late })
    else if (note?.t === 'push' && note.c === c) recorder.add({ e: 'push', at, c, link: note.link, n: note.n })
    else if (note && this.#isForMe(note)) recorder.add({ e: 'arrived', at, c, from: note.c, n: note.n })
    else if (receipt)
      recorder.add({ e: 'receipt', at, c, to: receipt.recipientId, n: receipt.id, outcome: receipt.outcome })
    else {
      const what = data.toString('latin1', 0, 120)
      recorder.add({ e: 'stray', at, c, what, damaged: note === undefined })
    }
  }

  #isForMe(note: Note): boolean {
    return (note.t === 'direct' && note.recipientId === this.#user) || (note.t === 'handed' && note.to === this.#user)
  }

  async #talk(): Promise<void> {
    const { random, pauseMs } = this.#options
    while (!this.#quiet) {
      await pause(pauseMs * (0.5 + random.next()))
      if (this.#socket?.readyState !== WebSocket.OPEN || this.#socket.bufferedAmount > MAX_BUFFERED) continue
      if (random.chance(0.55)) await this.#writeUp(this.#socket)
      else await this.#writeDirect(this.#socket)
    }
  }

  async #writeUp(socket: WebSocket): Promise<void> {
    const { random, recorder } = this.#options
    const [c, n, begun] = [this.#c, this.#ups++, now()]
    const late = random.chance(0.05) ? { late: random.int(1, MAX_LATE_MS) } : {}
    const note: UpNote = { t: 'up', c, n, ...late, pad: padding(n, this.#length()) }
    if (await this.#send(socket, JSON.stringify(note), random.chance(0.15))) {
      recorder.add({ e: 'up', at: now(), begun, c, n })
    }
  }

  async #writeDirect(socket: WebSocket): Promise<void> {
    const { random, recorder, users } = this.#options
    const to = random.pick(users.filter(user => user !== this.#user))
    const n = this.#directs.get(to) ?? 0
    this.#directs.set(to, n + 1)
    const [c, begun] = [this.#c, now()]
    const rest: Omit<DirectNote, 'recipientId'> = { t: 'direct', c, n, id: n, pad: padding(n, this.#length()) }
    // Sometimes it is only known at the end for whom it is.
    const note = random.chance(0.5) ? { recipientId: to, ...rest } : { ...rest, recipientId: to }
    if (await this.#send(socket, JSON.stringify(note), false)) recorder.add({ e: 'direct', at: now(), begun, c, to, n })
  }

  /** Characters that a message is made longer by. */
  #length(): number {
    const { random } = this.#options
    return random.chance(0.03) ? random.int(65_536, 150_000) : random.int(0, 300)
  }

  /** @returns whether all of it was written while the connection was open */
  async #send(socket: WebSocket, text: string, binary: boolean): Promise<boolean> {
    const { random } = this.#options
    const pieces = random.chance(0.1) ? random.int(2, 4) : 1
    const size = Math.ceil(text.length / pieces)
    for (let i = 0; i < pieces; i++) {
      if (i > 0) await pause(random.int(0, FRAGMENT_GAP_MS))
      if (socket.readyState !== WebSocket.OPEN) return false
      const part = text.slice(i * size, i === pieces - 1 ? undefined : (i + 1) * size)
      socket.send(part, { binary, fin: i === pieces - 1 }, () => {})
    }
    return true
  }
}
