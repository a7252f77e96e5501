import { WebSocket } from 'ws'
import { until } from '../wait.ts'

export interface ChatMessage {
  readonly recipientId: string
  readonly from: string
  readonly text: string
}

const ARRIVE_TIMEOUT_MS = 5000
const CONNECT_TIMEOUT_MS = 10_000

/** A user of the chat with one connection, which is not made anew. */
export class ChatClient {
  readonly user: string
  readonly #url: string
  /** Called with each message that arrives. */
  readonly #waiting = new Set<(message: ChatMessage) => void>()
  #socket: WebSocket | undefined
  /** Close code of the connection, once it has ended. */
  closed: number | undefined

  /** @param url of the balancer */
  constructor(user: string, url: string) {
    this.user = user
    this.#url = url
  }

  /** Connects, again and again until it is accepted. @throws {Error} when that takes too long */
  async connect(): Promise<void> {
    let last = ''
    const attempt = async () => {
      try {
        await this.#open()
        return true
      } catch (error) {
        last = (error as Error).message
        return false
      }
    }
    await until(attempt, `${this.user} connects`, CONNECT_TIMEOUT_MS).catch((error: Error) => {
      throw new Error(`${error.message} (${last})`, { cause: error })
    })
  }

  /** Sends a message and waits until the other one has it. @returns milliseconds it took, `undefined` when it did not arrive */
  async reach(other: ChatClient, text: string): Promise<number | undefined> {
    // What cannot arrive is not waited for.
    if (this.closed !== undefined || other.closed !== undefined) return undefined
    const began = performance.now()
    const arrived = other.#receive(this.user, text)
    this.#socket?.send(JSON.stringify({ recipientId: other.user, from: this.user, text } satisfies ChatMessage))
    return (await arrived) ? performance.now() - began : undefined
  }

  #receive(from: string, text: string): Promise<boolean> {
    return new Promise(resolve => {
      const done = (arrived: boolean) => {
        clearTimeout(timer)
        this.#waiting.delete(look)
        resolve(arrived)
      }
      const look = (message: ChatMessage) => message.from === from && message.text === text && done(true)
      const timer = setTimeout(() => done(false), ARRIVE_TIMEOUT_MS)
      this.#waiting.add(look)
    })
  }

  end(): void {
    this.#socket?.terminate()
  }

  #open(): Promise<void> {
    const socket = new WebSocket(`${this.#url}/?user=${encodeURIComponent(this.user)}`, {
      handshakeTimeout: CONNECT_TIMEOUT_MS,
    })
    return new Promise((resolve, reject) => {
      socket.once('open', () => {
        this.#socket = socket
        this.closed = undefined
        resolve()
      })
      socket.on('error', reject)
      socket.on('message', data => {
        const message = JSON.parse(String(data)) as ChatMessage
        for (const look of this.#waiting) look(message)
      })
      socket.on('close', code => {
        if (socket === this.#socket) this.closed = code
      })
    })
  }
}
