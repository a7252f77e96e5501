import type { Address, AddressFinder, Unparsed } from '../../../websocket/addressing/address-finder.ts'
import { type FrameReader, OPCODE } from '../../../websocket/frames.ts'
import { MessageBuffer, mayBeAddressed } from '../../../websocket/message-buffer.ts'
import type { TappedPipe } from '../pipe-options.ts'
import type { PipeWriter } from '../pipe-writer.ts'
import { TAP } from './tap.ts'

const NO_BYTES = Buffer.alloc(0)

/** Takes addressed messages out of a stream. A text message is held as long as it may be addressed. */
export class AddressTap<P extends TappedPipe<P>> {
  readonly #pipe: P
  readonly #reader: FrameReader
  readonly #writer: PipeWriter
  readonly #finder: AddressFinder
  #held: MessageBuffer | undefined
  /** The message to be taken now. It belongs to the finder and is valid until its next look-up. */
  #address: Address | undefined
  #payload: Buffer = NO_BYTES

  constructor(pipe: P, reader: FrameReader, writer: PipeWriter, finder: AddressFinder) {
    this.#pipe = pipe
    this.#reader = reader
    this.#writer = writer
    this.#finder = finder
  }

  get isHolding(): boolean {
    return this.#held !== undefined
  }

  /** Memory of the held message. */
  get bytes(): number {
    return this.#held?.bytes ?? 0
  }

  /**
   * Decides on a step of the reader outside control frames. A message that is complete in the chunk is read to its end.
   *
   * @param offset where the step ended
   * @returns a {@link TAP}
   */
  see(chunk: Buffer, offset: number, step: number): number {
    if (this.#held) return TAP.HOLD
    const reader = this.#reader
    if (reader.opcode !== OPCODE.TEXT || !mayBeAddressed(reader, chunk, offset, step)) return TAP.PASS
    const end = offset + reader.length
    if (!reader.fin || end > chunk.length) {
      this.#held = new MessageBuffer(this.#finder)
      return TAP.HOLD
    }
    // The common case: the chunk has the whole message, so it is parsed in place.
    reader.read(chunk, offset)
    const payload = this.#finder.look(chunk, offset, end, reader.mask)
    const address = this.#wanted(this.#finder.find(payload))
    if (!address) return TAP.PASS
    this.#address = address
    this.#payload = payload
    return TAP.TAKE
  }

  /** Takes the message that {@link see} has found. */
  take(): void {
    const address = this.#address as Address
    const payload = Buffer.from(this.#payload)
    this.#address = undefined
    this.#payload = NO_BYTES
    this.#deliver(address, payload)
  }

  /**
   * Holds a piece of a message for as long as it may be addressed.
   *
   * @returns offset up to which the chunk has been processed
   */
  keep(chunk: Buffer, start: number, end: number, step: number): number {
    const held = this.#held as MessageBuffer
    const verdict = held.add(this.#reader, chunk, start, end, step)
    if (verdict === 'hold') return end
    if (verdict === 'whole') this.#end(held)
    else if (verdict === 'no_room') this.#refuse()
    else {
      this.pass()
      if (verdict !== 'pass') this.#pipe.listener.onUnparsed(this.#pipe, verdict)
    }
    return verdict === 'too_large' ? start : end
  }

  #end(held: MessageBuffer): void {
    const payload = held.payload()
    const address = this.#wanted(held.addressIn(payload))
    if (address) {
      this.release()
      this.#deliver(address, payload)
    } else this.pass()
  }

  #refuse(): void {
    this.#pipe.listener.onNoRoom(this.#pipe)
    // If the stream is closing already, it is not closed again, and this message is no longer whole.
    if (this.#held) this.#pipe.abandon()
  }

  /** Returns the address if the listener takes the message. */
  #wanted(address: Address | Unparsed | undefined): Address | undefined {
    if (typeof address === 'string') this.#pipe.listener.onUnparsed(this.#pipe, address)
    else if (address && this.#pipe.listener.takes(this.#pipe, address.recipient)) return address
    return undefined
  }

  #deliver({ recipient, id }: Address, data: Buffer): void {
    this.#pipe.listener.onAddressed(this.#pipe, recipient, { data, binary: false, id })
  }

  /** Lets the held message pass. */
  pass(): void {
    const frames = this.release()
    if (frames) this.#writer.write(frames)
  }

  /** Gives up the held message. Returns its unchanged frames. */
  release(): Buffer | undefined {
    const frames = this.#held?.release()
    this.#held = undefined
    return frames
  }

  /** A step of the clock in which the source is read. @returns the number of steps for which a message has been held */
  age(): number {
    return this.#held ? ++this.#held.age : 0
  }
}
