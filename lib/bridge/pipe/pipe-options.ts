import type { AddressFinder, Unparsed } from '../../websocket/addressing/address-finder.ts'
import type { FirstMessage } from '../../websocket/first-message.ts'
import type { Message } from '../../websocket/message.ts'
import type { WholeMessages } from './partial-message.ts'

/** What a pipe tells of the stream that goes through it; `P` is the pipe. */
export interface ListenerOf<P> {
  /**
   * The source's close frame, its payload unmasked (RFC 6455 §5.5.1: a code and a reason, or nothing); `false` keeps it from
   * passing before `passClose`.
   */
  onCloseFrame(pipe: P, payload: Buffer): boolean
  /** A control ping, which begins with the secret of the connection; it does not pass. */
  onControl(pipe: P, payload: Buffer): void
  /** The pong that was expected; it does not pass. */
  onPong(pipe: P, payload: Buffer): void
  /** The pipe has come to the place where it was to stop. */
  onStopped(pipe: P): void
  /** A message is larger than allowed. The frame that made it so has not passed, and nothing after it does. */
  onTooBig(pipe: P): void
  /** Whether a message to this recipient is taken out of the stream. */
  takes(pipe: P, recipient: string): boolean
  /** An addressed message that was taken out. */
  onAddressed(pipe: P, recipient: string, message: Message): void
  /** A message that may be addressed passes without having been looked at to its end. */
  onUnparsed(pipe: P, why: Unparsed): void
  /** There is no room to hold a message that may be addressed; it must not pass. */
  onNoRoom(pipe: P): void
}

/** What a tap needs of its pipe. */
export interface TappedPipe<P> {
  readonly listener: ListenerOf<P>
  /** Nothing passes any more. */
  abandon(): void
}

export interface PipeOptions {
  readonly maxMessageBytes: number
  /** Where messages of this direction may be addressed. */
  readonly find?: AddressFinder | undefined
  /** Pings of the source that begin with it are control pings. */
  readonly secret?: Buffer | undefined
  /** Where nothing of a message passes before all of it has come. Not together with `find`. */
  readonly whole?: WholeMessages | undefined
  /** Sees the messages until it has what it is for. */
  readonly first?: FirstMessage | undefined
}
