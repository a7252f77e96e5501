import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { MESSAGE_PATH } from '../../lib/service/names.ts'

/** What comes to a sidecar: clients, by way of balancers, or links of other sidecars (and their single messages). */
export type Traffic = 'clients' | 'links'

interface Pair {
  readonly sockets: readonly [Socket, Socket]
  traffic: Traffic
}

/** The network before one sidecar: passes on every byte, until it is told to cut or to delay. */
export class Relay {
  readonly #server: Server
  readonly #pairs = new Set<Pair>()
  #delayMs = 0

  private constructor(target: { host: string; port: number }) {
    // Half-open, so that an end of one side travels as it does on a network.
    this.#server = createServer({ allowHalfOpen: true }, socket => {
      this.#join(socket, connect({ ...target, allowHalfOpen: true }))
    })
  }

  static async listen(host: string, port: number, target: { host: string; port: number }): Promise<Relay> {
    const relay = new Relay(target)
    relay.#server.listen(port, host)
    await once(relay.#server, 'listening')
    return relay
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** Resets all connections of one kind. @returns how many there were */
  cut(traffic: Traffic): number {
    const chosen = [...this.#pairs].filter(pair => pair.traffic === traffic)
    for (const { sockets } of chosen) for (const socket of sockets) socket.resetAndDestroy()
    return chosen.length
  }

  /** From now on bytes take so much longer, in both directions. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  close(): void {
    this.#server.close()
    for (const { sockets } of this.#pairs) for (const socket of sockets) socket.destroy()
  }

  #join(left: Socket, right: Socket): void {
    const pair: Pair = { sockets: [left, right], traffic: 'clients' }
    this.#pairs.add(pair)
    left.once('data', chunk => {
      if (/^[A-Z]+ ([^ ]*)/.exec(chunk.toString('latin1'))?.[1] === MESSAGE_PATH) pair.traffic = 'links'
    })
    this.#pipe(left, right)
    this.#pipe(right, left)
    for (const [socket, other] of [
      [left, right],
      [right, left],
    ] as const) {
      socket.setNoDelay(true)
      // A broken connection is broken for both, as if there was nothing between them.
      socket.on('error', () => other.resetAndDestroy())
      socket.on('close', () => {
        this.#pairs.delete(pair)
        if (!socket.readableEnded) other.destroy()
        // It may wait for room that never comes.
        else other.resume()
      })
    }
  }

  #pipe(from: Socket, to: Socket): void {
    // When what came before is due, so that a shorter delay does not overtake a longer one.
    let due = 0
    const later = (action: () => void) => {
      due = Math.max(due, Date.now() + this.#delayMs)
      const ms = due - Date.now()
      if (ms <= 0) action()
      else setTimeout(action, ms)
    }
    from.on('data', chunk => {
      from.pause()
      later(() => {
        // Paused, it would never see its end, and keep this process alive.
        if (to.destroyed) from.destroy()
        else if (to.write(chunk)) from.resume()
        else to.once('drain', () => from.resume())
      })
    })
    from.on('end', () => later(() => to.end()))
  }
}
