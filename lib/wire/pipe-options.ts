import type { FirstText } from './first-text.ts'
import type { Message, RecipientFinder } from './message.ts'
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
  /** An addressed message; `true` takes it out of the stream. */
  onAddressed(pipe: Pipe, recipient: string, message: Message): boolean
}

export interface PipeOptions {
  readonly maxMessageBytes: number
  /** Where messages of this direction may be addressed. */
  readonly find?: RecipientFinder | undefined
  /** Pings of the source that begin with it are control pings. */
  readonly secret?: Buffer | undefined
  /** Sees the messages until it has what it is for. */
  readonly first?: FirstText | undefined
}
