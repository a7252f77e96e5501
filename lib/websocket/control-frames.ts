import { applyMask, type FrameReader, OPCODE, STEP } from './frames.ts'

/** A control frame, read whole, before it has passed. */
export interface BufferedControlFrame {
  readonly kind: 'close' | 'control' | 'pong' | 'late' | 'other'
  /** Unmasked. */
  readonly payload: Buffer
  /** As it came. */
  readonly frames: readonly Buffer[]
}

/**
 * Keeps those control frames of a stream that must be read whole before it is known whether they pass: each close frame, a
 * ping that may be a control ping, a pong that may be the answer to one or to another ping of ours. They have 125 bytes at most.
 */
export class ControlFrames {
  /** Payload of a ping of ours: the pong to it is not for the other side. */
  expectedPong: Buffer | undefined
  readonly #secret: Buffer | undefined
  #kept: { readonly frames: Buffer[]; readonly payload: Buffer[] } | undefined

  /** @param secret of the control pings in this stream */
  constructor(secret: Buffer | undefined) {
    this.#secret = secret
  }

  /** Whether a frame has begun that is kept. */
  get busy(): boolean {
    return this.#kept !== undefined
  }

  /** What has come of a frame that did not end. */
  take(): readonly Buffer[] {
    const { frames = [] } = this.#kept ?? {}
    this.#kept = undefined
    return frames
  }

  /** Whether the control frame that begins with this step must be kept. */
  looksAt({ opcode, length }: FrameReader, step: number): boolean {
    if (step !== STEP.HEADER && step !== STEP.EMPTY) return false
    if (opcode === OPCODE.CLOSE) return true
    if (opcode === OPCODE.PING) return this.#secret !== undefined && length > this.#secret.length
    return length === this.expectedPong?.length || (this.#secret !== undefined && length > this.#secret.length)
  }

  /** Keeps what a step has read of the frame; returns it when it is whole. */
  keep(reader: FrameReader, chunk: Buffer, start: number, end: number, step: number): BufferedControlFrame | undefined {
    this.#kept ??= { frames: [], payload: [] }
    const { frames, payload } = this.#kept
    // A copy: the chunk may only be lent.
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
    // The answer to a control ping that nobody waits for any more, which would tell the other side the secret.
    return this.#secret && hasSecret(this.#secret, payload) ? 'late' : 'other'
  }
}

/** Whether the payload of a ping or pong begins with a secret, and goes on. */
export function hasSecret(secret: Buffer, payload: Buffer): boolean {
  return payload.length > secret.length && payload.subarray(0, secret.length).equals(secret)
}
