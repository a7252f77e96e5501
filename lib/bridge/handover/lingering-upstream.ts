import type { Socket } from 'node:net'
import type { Pipe, PipeListener } from '../pipe/pipe.ts'
import { lingerClose, sendGoingAway } from '../socket/closing.ts'
import { attach, type SocketHandler } from '../socket/socket-handler.ts'

/** Whoever decides which upstream may write to the client: only one at a time, and only whole messages. */
export interface WriteArbiter {
  /** The upstream that retires has something to say; it is told by {@link LingeringUpstream.speak} when it may. */
  request(): void
  /** It has said it, at a place between two messages. */
  yield(): void
  /** It has ended; in the middle of a message where `midMessage`, which nobody can complete. */
  retired(midMessage: boolean): void
}

/** Longest time for the app to answer our goodbye, in milliseconds: what it has written before it read that still passes. */
const GOODBYE_MS = 5000

/**
 * An upstream whose client is served by another one now: what its app still answers passes between the messages of the new
 * one, for a limited time; then it gets a clean close, and what it had written before it saw that passes too.
 */
export class LingeringUpstream implements SocketHandler, PipeListener {
  /** Whether it has begun a message, or is about to. */
  writing = false
  /** From it to the client; other frames to the client go through it while it speaks. */
  readonly pipe: Pipe
  readonly #socket: Socket
  readonly #floor: WriteArbiter
  #timer: NodeJS.Timeout
  #told = false
  #done = false

  /**
   * @param pipe from the upstream to the client, stopped between two messages
   * @param lingerMs how long it may go on
   */
  constructor(pipe: Pipe, floor: WriteArbiter, lingerMs: number) {
    this.pipe = pipe
    this.#socket = pipe.source
    this.#floor = floor
    this.#timer = setTimeout(() => this.#expire(), lingerMs)
    pipe.listener = this
    attach(this.#socket, this, 'upstream')
  }

  /** To be called once, when the floor knows of it. */
  start(): void {
    if (this.#socket.closed || this.#socket.readableEnded) this.#finish()
    else if (this.waits) this.#floor.request()
    else this.#socket.resume()
  }

  /** Whether it has something to say. */
  get waits(): boolean {
    return !this.#done && this.pipe.stashedBytes > 0
  }

  /** It has the floor, up to the end of a message. */
  speak(): void {
    if (this.#done) return
    this.writing = true
    const room = this.pipe.go()
    this.pipe.stop()
    if (this.writing && room) this.#socket.resume()
  }

  /** Ends it at once, however far it is. */
  end(): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.pipe.abandon()
    if (!this.#told) sendGoingAway(this.#socket)
    lingerClose(this.#socket)
  }

  receive(_side: unknown, chunk: Buffer): void {
    // It may have said all and gone when it has said this.
    const { writing } = this
    const room = this.pipe.push(chunk)
    // With what it has said it may have lost the floor, and then it is not this that decides whether it is read.
    if (!room && this.writing) this.#socket.pause()
    if (writing) return
    this.#socket.pause()
    this.#floor.request()
  }

  /** The client has read what it was sent. */
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
    // A client that does not read is not sent the next message either: its place in the queue is not bounded by this one's end.
    if (this.pipe.target.writableNeedDrain) this.#socket.pause()
    else this.#socket.resume()
    this.#floor.yield()
  }

  /** The app has closed it by itself. */
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
      // It has had its time.
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
