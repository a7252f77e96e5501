import type { AddressFinder, Unparsed } from '../websocket/addressing/address-finder.ts'
import type { FirstText } from '../websocket/first-message.ts'
import type { Message } from '../websocket/message.ts'
import type { Pipe } from './pipe.ts'

/** What a pipe tells of the stream that goes through it. */
export interface PipeListener {
  /**
   * The source's close frame, its payload unmasked (RFC 6455 §5.5.1: a code and a reason, or nothing); `false` keeps it from
   * passing before {@link Pipe.passClose}.
   */
  onCloseFrame(pipe: Pipe, payload: Buffer): boolean
  /** A control ping of whoever knows the secret (control.ts); it does not pass. */
  onControl(pipe: Pipe, payload: Buffer): void
  /** The pong that was expected; it does not pass. */
  onPong(pipe: Pipe, payload: Buffer): void
  /** The pipe has come to the place where it was to stop. */
  onStopped(pipe: Pipe): void
  /** A message is larger than allowed. The frame that made it so has not passed, and nothing after it does. */
  onTooBig(pipe: Pipe): void
  /** Whether a message to this recipient is taken out of the stream. */
  takes(pipe: Pipe, recipient: string): boolean
  /** An addressed message that was taken out. */
  onAddressed(pipe: Pipe, recipient: string, message: Message): void
  /** A message that may be addressed passes without having been looked at to its end. */
  onUnparsed(pipe: Pipe, why: Unparsed): void
  /** There is no room to hold a message that may be addressed; it must not pass. */
  onNoRoom(pipe: Pipe): void
}

export interface PipeOptions {
  readonly maxMessageBytes: number
  /** Where messages of this direction may be addressed. */
  readonly find?: AddressFinder | undefined
  /** Pings of the source that begin with it are control pings. */
  readonly secret?: Buffer | undefined
  /** Sees the messages until it has what it is for. */
  readonly first?: FirstText | undefined
}
