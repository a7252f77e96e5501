import type { AddressFinder, Unparsed } from '../../websocket/addressing/address-finder.ts'
import type { FirstMessage } from '../../websocket/first-message.ts'
import type { Message } from '../../websocket/message.ts'
import type { WholeMessages } from './partial-message.ts'

/** Events of the stream that goes through a pipe; `P` is the pipe. */
export interface ListenerOf<P> {
  /**
   * The source's close frame with unmasked payload (RFC 6455 §5.5.1: code and reason, or empty). `false` holds it back
   * until `passClose`.
   */
  onCloseFrame(pipe: P, payload: Buffer): boolean
  /** A control ping, which begins with the secret of the connection; it does not pass. */
  onControl(pipe: P, payload: Buffer): void
  /** The expected pong; it does not pass. */
  onPong(pipe: P, payload: Buffer): void
  /** The pipe has reached the place where it was to stop. */
  onStopped(pipe: P): void
  /** A message exceeds the size limit. The offending frame and everything after it do not pass. */
  onTooBig(pipe: P): void
  /** Whether a message to this recipient leaves the stream. */
  takes(pipe: P, recipient: string): boolean
  /** An addressed message that has left the stream. */
  onAddressed(pipe: P, recipient: string, message: Message): void
  /** A message that may be addressed passes without being fully parsed. */
  onUnparsed(pipe: P, why: Unparsed): void
  /** No memory is left to hold a message that may be addressed; it must not pass. */
  onNoRoom(pipe: P): void
}

/** The pipe, as a tap uses it. */
export interface TappedPipe<P> {
  readonly listener: ListenerOf<P>
  /** No further bytes pass. */
  abandon(): void
}

export interface PipeOptions {
  readonly maxMessageBytes: number
  /** Set if messages of this direction may be addressed. */
  readonly find?: AddressFinder | undefined
  /** Pings of the source that begin with it are control pings. */
  readonly secret?: Buffer | undefined
  /** Set if messages pass only when complete. Not together with `find`. */
  readonly whole?: WholeMessages | undefined
  /** Sees messages until it has recorded the first one. */
  readonly first?: FirstMessage | undefined
}
