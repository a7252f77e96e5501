import type { ClientRequest, IncomingMessage } from 'node:http'
import type { FlowMemory } from '../../bridge/bridge-options.ts'
import type { YoungGarbage } from '../../service/memory/young-garbage.ts'

/**
 * Bytes of a body after which the next ones are read a turn of the event loop later: with more at once, the kernel
 * enlarges the receive buffer of the client for good (docs/adr/0014-one-memory-budget.md). Node reads 64 KiB at a time.
 */
const TURN_BYTES = 32_768

/**
 * Passes the body of a plain request to the upstream. Unlike a pipe it can be stopped while memory is short, and lets
 * the socket be read once per turn of the event loop only.
 */
export class Upload {
  readonly #request: IncomingMessage
  readonly #outgoing: ClientRequest
  readonly #memory: FlowMemory
  readonly #garbage: Pick<YoungGarbage, 'add'>
  /** Bytes passed since the socket was last left alone for a turn. */
  #inTurn = 0
  #yields: NodeJS.Immediate | undefined
  /** Bytes that the kernel may hold for the upstream: the last measurement plus bytes passed since. */
  #unsent = 0
  /** Memory is short and the kernel holds too much for the upstream, or it is not this client's turn. */
  #restrained = false
  #queued = 0
  /** Whether the client's socket must not be read now. */
  #stopped = false
  #ended = false

  constructor(
    request: IncomingMessage,
    outgoing: ClientRequest,
    memory: FlowMemory,
    garbage: Pick<YoungGarbage, 'add'>,
  ) {
    this.#request = request
    this.#outgoing = outgoing
    this.#memory = memory
    this.#garbage = garbage
    request.on('data', this.#receive).once('end', this.#complete).once('close', this.#end)
    outgoing.on('drain', this.#regulate).once('finish', this.#count).once('close', this.#end).once('close', this.#count)
  }

  /** Bytes that wait in this process. */
  get heldBytes(): number {
    return this.#outgoing.destroyed ? 0 : this.#request.readableLength + this.#outgoing.writableLength
  }

  /** As `Bridge.restrain`, for the bytes of the upstream. */
  restrain(unsent: number): void {
    const { queueLimit } = this.#memory
    this.#unsent = unsent
    const all = this.#outgoing.writableLength + unsent
    if (all >= queueLimit) this.#restrained = true
    else if (all <= queueLimit / 2) this.#restrained = false
    this.#count()
    this.#regulate()
  }

  readonly #receive = (chunk: Buffer): void => {
    if (this.#outgoing.destroyed) return
    const { length } = chunk
    this.#outgoing.write(chunk)
    this.#unsent += length
    this.#inTurn += length
    const { tight, queueLimit } = this.#memory
    if (tight && this.#outgoing.writableLength + this.#unsent >= queueLimit) this.#restrained = true
    if (this.#inTurn >= TURN_BYTES) this.#yields ??= setImmediate(this.#nextTurn)
    this.#count()
    this.#regulate()
    this.#garbage.add(length)
    // Must come last, because it may close this connection.
    this.#memory.passed(length)
  }

  readonly #nextTurn = (): void => {
    this.#yields = undefined
    this.#inTurn = 0
    this.#regulate()
  }

  readonly #complete = (): void => {
    this.#outgoing.end()
    this.#end()
  }

  /** Starts or stops reading the client. */
  readonly #regulate = (): void => {
    if (this.#ended) return
    const waits = this.#restrained || this.#outgoing.writableNeedDrain
    // What was already read waits too. `watchBody` blames no client whose request is paused.
    if (waits !== this.#request.isPaused()) {
      if (waits) this.#request.pause()
      else this.#request.resume()
    }
    const stops = waits || this.#yields !== undefined
    if (stops === this.#stopped) return
    this.#stopped = stops
    const { socket } = this.#request
    if (stops) socket.on('resume', this.#stayStopped).pause()
    else socket.off('resume', this.#stayStopped).resume()
  }

  /** A request resumes its socket by itself whenever its buffer has room. */
  readonly #stayStopped = (): void => {
    const { socket } = this.#request
    // If it was paused since the call of `resume`, Node reads on and `pause` does nothing; the event stops the reading.
    if (socket.isPaused()) socket.emit('pause')
    else socket.pause()
  }

  readonly #count = (): void => {
    const held = this.heldBytes
    if (held !== this.#queued) this.#memory.queues.change(held - this.#queued)
    this.#queued = held
  }

  /** From now on Node alone decides when the client is read. */
  readonly #end = (): void => {
    if (this.#ended) return
    this.#ended = true
    clearImmediate(this.#yields)
    this.#outgoing.off('drain', this.#regulate)
    this.#request.off('data', this.#receive)
    // As a pipe does when its target is gone.
    if (!this.#request.complete) this.#request.pause()
    if (this.#stopped) this.#request.socket.off('resume', this.#stayStopped).resume()
  }
}
