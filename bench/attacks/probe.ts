import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { WebSocket } from 'ws'

const INTERVAL_MS = 50

/** A well-behaved client that has an echo for each of its messages, and measures how long it waits. */
export class Probe {
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

  static async open(port: number, user = 'well-behaved'): Promise<Probe> {
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
