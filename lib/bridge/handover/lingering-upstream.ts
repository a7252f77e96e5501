import type { Socket } from 'node:net'
import type { Pipe, PipeListener } from '../pipe/pipe.ts'
import { lingerClose, sendGoingAway } from '../socket/closing.ts'
import { attach, type SocketHandler } from '../socket/socket-handler.ts'

/** Arbitrates writes to the client: one upstream at a time, whole messages only. */
export interface WriteArbiter {
  /** The lingering upstream wants to write. The arbiter calls {@link LingeringUpstream.speak} when it may. */
  request(): void
  /** The lingering upstream has finished writing, at a place between two messages. */
  yield(): void
  /** The lingering upstream has ended. `midMessage`: inside a message, which no other upstream can complete. */
  retired(midMessage: boolean): void
}

/**
 * Longest time for the app to answer our close frame, in milliseconds; messages that it wrote before reading it still
 * pass.
 */
const GOODBYE_MS = 5000

/**
 * An upstream whose client is now served by another one. Its late answers pass between the messages of the new upstream
 * for a limited time; then it gets a clean close, and messages that it wrote before reading the close frame pass too.
 */
export class LingeringUpstream implements SocketHandler, PipeListener {
  /** Whether it is inside a message to the client, or about to begin one. */
  writing = false
  /** From this upstream to the client; other frames to the client go through it while this upstream writes. */
  readonly pipe: Pipe
  readonly #socket: Socket
  readonly #floor: WriteArbiter
  #timer: NodeJS.Timeout
  #told = false
  #done = false

  /**
   * @param pipe from the upstream to the client, stopped between two messages
   * @param lingerMs how long it may continue
   */
  constructor(pipe: Pipe, floor: WriteArbiter, lingerMs: number) {
    this.pipe = pipe
    this.#socket = pipe.source
    this.#floor = floor
    this.#timer = setTimeout(() => this.#expire(), lingerMs)
    pipe.listener = this
    attach(this.#socket, this, 'upstream')
  }

  /** Must be called once, after the arbiter has been given this upstream. */
  start(): void {
    if (this.#socket.closed || this.#socket.readableEnded) this.#finish()
    else if (this.waits) this.#floor.request()
    else this.#socket.resume()
  }

  /** Whether bytes of it wait to be written. */
  get waits(): boolean {
    return !this.#done && this.pipe.stashedBytes > 0
  }

  /** Grants it the right to write, up to the end of a message. */
  speak(): void {
    if (this.#done) return
    this.writing = true
    const room = this.pipe.go()
    this.pipe.stop()
    if (this.writing && room) this.#socket.resume()
  }

  /** Ends it at once, even inside a message. */
  end(): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.pipe.abandon()
    if (!this.#told) sendGoingAway(this.#socket)
    lingerClose(this.#socket)
  }

  receive(_side: unknown, chunk: Buffer): void {
    // `push` may finish the message and clear the flag.
    const { writing } = this
    const room = this.pipe.push(chunk)
    // If `push` ended its turn, the arbiter decides whether its socket is read.
    if (!room && this.writing) this.#socket.pause()
    if (writing) return
    this.#socket.pause()
    this.#floor.request()
  }

  /** The client has drained its queue. */
  resume(): void {
    if (!this.#done && !this.waits) this.#socket.resume()
  }

  drained(): void {}

  ended(): void {
    this.#finish()
  }

  gone(): void {
    this.#finish()
  }

  onStopped(): void {
    if (this.#done) return
    this.writing = false
    // While the client does not read, the next message is not read either: its queue would be unbounded otherwise.
    if (this.pipe.target.writableNeedDrain) this.#socket.pause()
    else this.#socket.resume()
    this.#floor.yield()
  }

  /** The app has closed the connection itself. */
  onCloseFrame(): boolean {
    this.#finish()
    return false
  }

  onTooBig(): void {
    this.#finish()
  }

  onControl(): void {}

  onPong(): void {}

  takes(): boolean {
    return false
  }

  onAddressed(): void {}

  onUnparsed(): void {}

  onNoRoom(): void {
    this.#finish()
  }

  #expire(): void {
    this.#told = true
    sendGoingAway(this.#socket)
    this.#timer = setTimeout(() => {
      this.#finish()
      // Its time is up.
      this.#socket.destroy()
    }, GOODBYE_MS)
  }

  #finish(): void {
    if (this.#done) return
    const midMessage = this.writing && !this.pipe.betweenMessages
    this.writing = false
    this.end()
    this.#floor.retired(midMessage)
  }
}
