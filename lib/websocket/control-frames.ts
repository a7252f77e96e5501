import { applyMask, type FrameReader, OPCODE, STEP } from './frames.ts'

/** A complete control frame that has not passed yet. */
export interface BufferedControlFrame {
  readonly kind: 'close' | 'control' | 'pong' | 'late' | 'other'
  /** Unmasked. */
  readonly payload: Buffer
  /** Unchanged bytes of the frame. */
  readonly frames: readonly Buffer[]
}

/**
 * Buffers those control frames of a stream that must be complete before we know whether they pass: close frames, pings
 * that may be control pings, and pongs that may answer one of our pings. They have at most 125 bytes of payload.
 */
export class ControlFrames {
  /** Payload of our own ping; the pong to it must not pass. */
  expectedPong: Buffer | undefined
  readonly #secret: Buffer | undefined
  #kept: { readonly frames: Buffer[]; readonly payload: Buffer[] } | undefined

  /** @param secret of the control pings in this stream */
  constructor(secret: Buffer | undefined) {
    this.#secret = secret
  }

  /** Whether a frame is being buffered. */
  get busy(): boolean {
    return this.#kept !== undefined
  }

  /** Releases the pieces of an incomplete frame. */
  take(): readonly Buffer[] {
    const { frames = [] } = this.#kept ?? {}
    this.#kept = undefined
    return frames
  }

  /** Whether the control frame that begins with this step must be buffered. */
  looksAt({ opcode, length }: FrameReader, step: number): boolean {
    if (step !== STEP.HEADER && step !== STEP.EMPTY) return false
    if (opcode === OPCODE.CLOSE) return true
    if (opcode === OPCODE.PING) return this.#secret !== undefined && length > this.#secret.length
    return length === this.expectedPong?.length || (this.#secret !== undefined && length > this.#secret.length)
  }

  /** Buffers the bytes that a step has read; returns the frame when it is complete. */
  keep(reader: FrameReader, chunk: Buffer, start: number, end: number, step: number): BufferedControlFrame | undefined {
    this.#kept ??= { frames: [], payload: [] }
    const { frames, payload } = this.#kept
    // A copy, because the chunk may only be lent.
    const piece = Buffer.from(chunk.subarray(start, end))
    frames.push(piece)
    if (step === STEP.MORE || step === STEP.END) payload.push(piece)
    if (step !== STEP.END && step !== STEP.EMPTY) return undefined
    this.#kept = undefined
    const data = Buffer.concat(payload)
    applyMask(data, reader.mask)
    return { kind: this.#kind(reader.opcode, data), payload: data, frames }
  }

  #kind(opcode: number, payload: Buffer): BufferedControlFrame['kind'] {
    if (opcode === OPCODE.CLOSE) return 'close'
    if (opcode === OPCODE.PING) return this.#secret && hasSecret(this.#secret, payload) ? 'control' : 'other'
    if (this.expectedPong?.equals(payload)) {
      this.expectedPong = undefined
      return 'pong'
    }
    // A late answer to a control ping; it would reveal the secret to the other side.
    return this.#secret && hasSecret(this.#secret, payload) ? 'late' : 'other'
  }
}

/** Whether the payload of a ping or pong begins with a secret and is longer than it. */
export function hasSecret(secret: Buffer, payload: Buffer): boolean {
  return payload.length > secret.length && payload.subarray(0, secret.length).equals(secret)
}
