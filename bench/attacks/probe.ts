import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

const INTERVAL_MS = 100

/** A well-behaved client that has an echo for each of its messages, and measures how long it waits. */
class Probe {
  readonly #socket: WebSocket
  #since: number | undefined
  #longest = 0
  #echoes = 0
  /** Why it is no use any more, if it is not. */
  problem: string | undefined

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', () => {
      this.#longest = this.longest
      this.#since = undefined
      this.#echoes++
    })
    socket.on('close', (code, reason) => {
      this.problem ??= `closed with ${code} ${reason}`
    })
    socket.on('error', error => {
      this.problem ??= error.message
    })
  }

  static async open(port: number, user: string): Promise<Probe> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { headers: { 'ws-user-id': user } })
    const probe = new Probe(socket)
    await once(socket, 'open')
    void probe.#ask()
    return probe
  }

  /** Longest wait so far, in milliseconds, the one that is not over included. */
  get longest(): number {
    const waiting = this.#since === undefined ? 0 : performance.now() - this.#since
    return Math.max(this.#longest, waiting)
  }

  /** Forgets what was; a wait that has begun counts from now. */
  reset(): void {
    this.#longest = 0
    if (this.#since !== undefined) this.#since = performance.now()
  }

  get echoes(): number {
    return this.#echoes
  }

  close(): void {
    this.problem ??= 'done'
    this.#socket.terminate()
  }

  async #ask(): Promise<void> {
    while (this.problem === undefined) {
      if (this.#since === undefined) {
        this.#since = performance.now()
        this.#socket.send('{"text":"are you there"}')
      }
      await sleep(INTERVAL_MS)
    }
  }
}

/** Many well-behaved clients, and somebody who asks the admin port of the program that they are connected to. */
export class Probes {
  readonly #probes: readonly Probe[]
  readonly #health: HealthProbe

  private constructor(probes: readonly Probe[], health: HealthProbe) {
    this.#probes = probes
    this.#health = health
  }

  static async open(port: number, adminPort: number, count: number): Promise<Probes> {
    const users = Array.from({ length: count }, (_, n) => `well-behaved-${n}`)
    const probes = await Promise.all(users.map(user => Probe.open(port, user)))
    return new Probes(probes, new HealthProbe(adminPort))
  }

  /** Longest wait of any of them so far, in milliseconds. */
  get longest(): number {
    return Math.max(...this.#probes.map(probe => probe.longest))
  }

  /** The same of who asks the admin port, which needs no app. */
  get longestOfHealth(): number {
    return this.#health.longest
  }

  reset(): void {
    for (const probe of this.#probes) probe.reset()
  }

  /** Of the one that has had the fewest. */
  get echoes(): number {
    return Math.min(...this.#probes.map(probe => probe.echoes))
  }

  get problem(): string | undefined {
    return this.#probes.find(probe => probe.problem !== undefined)?.problem
  }

  close(): void {
    for (const probe of this.#probes) probe.close()
    this.#health.close()
  }
}

class HealthProbe {
  readonly #url: string
  #since: number | undefined
  #longest = 0
  #isClosed = false

  constructor(adminPort: number) {
    this.#url = `http://127.0.0.1:${adminPort}/healthz`
    void this.#ask()
  }

  get longest(): number {
    return Math.max(this.#longest, this.#since === undefined ? 0 : performance.now() - this.#since)
  }

  close(): void {
    this.#isClosed = true
  }

  async #ask(): Promise<void> {
    while (!this.#isClosed) {
      this.#since = performance.now()
      // A program that has ended is seen elsewhere.
      await fetch(this.#url).then(
        response => response.text(),
        () => sleep(INTERVAL_MS),
      )
      this.#longest = this.longest
      this.#since = undefined
      await sleep(INTERVAL_MS)
    }
  }
}
