import { Connection } from './connection.ts'
import { type Header, TEXT } from './frames.ts'
import type { Client, Errors } from './job.ts'
import { Ledger } from './ledger.ts'
import { Messages } from './message.ts'

/** FIN and the opcode of a text message. */
const WHOLE_TEXT = 0x80 | TEXT

/** What one client sends, and its way back. */
export class Lane {
  readonly connection: Connection
  /** Messages that it has sent. */
  sent = 0
  /** Messages that have arrived, for better or worse; doubled ones once, so that the window of a closed loop stays as it is. */
  arrived = 0
  readonly #messages: Messages
  readonly #ledger: Ledger
  readonly #errors: Errors

  /** @param connection on which it sends */
  constructor(connection: Connection, messages: Messages, errors: Errors) {
    this.connection = connection
    this.#messages = messages
    this.#errors = errors
    this.#ledger = new Ledger(errors)
  }

  send(count: number): void {
    const frames = this.#messages.frames(this.sent, count)
    const taken = this.#messages.count(frames)
    this.sent += taken
    if (taken === count) {
      this.connection.write(frames)
      return
    }
    this.connection.together(() => {
      this.connection.write(frames)
      this.send(count - taken)
    })
  }

  /** @returns the message's sequence number, -1 if it was never sent */
  receive(header: Header, bytes: Buffer, payload: number): number {
    const sequence =
      header.first === WHOLE_TEXT && !header.masked
        ? this.#messages.read(bytes, payload, header.length, this.#ledger.next)
        : -1
    const sound = sequence >= 0 && sequence < this.sent
    if (!sound) this.#errors.corrupt++
    if (!sound || this.#ledger.arrived(sequence)) this.arrived++
    return sequence
  }

  /** Counts what has not arrived as lost. */
  close(): void {
    this.#ledger.close(this.sent)
    this.connection.destroy()
  }
}

/** What a driver does about a message that has arrived in its lane. */
export interface Driver {
  onArrival?(lane: Lane, sequence: number): void
  /** All that came with one read is told. */
  onRead?(lane: Lane): void
}

/** How many handshakes go on at the same time, so that no proxy's backlog is what is measured. */
const CONNECTING = 50

/**
 * Connects clients.
 *
 * @param slots messages that each may have on their way
 * @returns a lane for each client, in their order
 * @throws where one cannot connect
 */
export async function openLanes(
  clients: readonly Client[],
  options: { bytes: number; slots: number },
  errors: Errors,
  driver: Driver,
): Promise<Lane[]> {
  const lanes: Lane[] = []
  // Whose messages arrive at a client: those of the one that sends to it.
  const senderOf = clients.map((_, index) => index)
  for (const [index, { to }] of clients.entries()) if (to !== undefined) senderOf[to] = index
  const openOne = async (client: Client, index: number) => {
    const sender = senderOf[index]!
    const connection = new Connection(client, {
      onMessage(header, bytes, payload) {
        const lane = lanes[sender]!
        const sequence = lane.receive(header, bytes, payload)
        driver.onArrival?.(lane, sequence)
      },
      onRead: () => driver.onRead?.(lanes[sender]!),
      onEnd(wanted) {
        if (!wanted) errors.cut++
      },
    })
    const recipient = client.to === undefined ? undefined : clients[client.to]!.user
    lanes[index] = new Lane(connection, new Messages(client.user, recipient, options.bytes, options.slots), errors)
    await connection.opened
  }
  for (let first = 0; first < clients.length; first += CONNECTING) {
    const batch = clients.slice(first, first + CONNECTING)
    await Promise.all(batch.map((client, i) => openOne(client, first + i)))
  }
  return lanes
}

/** The last messages are waited for while others arrive, but no longer than that. */
const STALL_MS = 3000
const SETTLE_MS = 30_000

/** Waits for what is still on its way, then closes; what has not arrived is lost. */
export async function closeLanes(lanes: readonly Lane[]): Promise<void> {
  const onTheWay = () => lanes.reduce((sum, lane) => sum + Math.max(0, lane.sent - lane.arrived), 0)
  const end = performance.now() + SETTLE_MS
  let waiting = onTheWay()
  let stalled = performance.now() + STALL_MS
  while (waiting > 0 && performance.now() < Math.min(stalled, end)) {
    await delay(10)
    const now = onTheWay()
    if (now < waiting) stalled = performance.now() + STALL_MS
    waiting = now
  }
  // What comes twice comes soon.
  await delay(20)
  for (const lane of lanes) lane.close()
}

export const delay = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))
