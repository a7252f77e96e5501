import { fstatSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Maximum bytes of lines that wait for a reader; further lines are dropped. */
const MAX_WAITING_BYTES = 1_048_576

/** How often `flush` checks whether all lines are written, in milliseconds. */
const LOOK_MS = 5

/** Output for log lines: never waits for its reader, and never fails. */
export interface LogOutput {
  write(line: string): void
  /** Number of lines that could not be written. */
  readonly dropped: number
  /** Resolves when all lines are written, or after `limitMs`. */
  flush(limitMs: number): Promise<void>
}

/**
 * Opens a file descriptor for log lines. A stalled or closed pipe and a full disk lose lines, which are counted, and
 * have no other effect.
 */
export function openLogOutput(fd: number): LogOutput {
  try {
    const found = fstatSync(fd)
    return found.isFIFO() || found.isSocket() ? new PipeOutput(fd) : new FileOutput(fd)
  } catch {
    return new FileOutput(fd)
  }
}

/** Writes through the event loop: a blocking write would stop the process and delay its shutdown. */
class PipeOutput implements LogOutput {
  dropped = 0
  readonly #socket: Socket

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: false, writable: true })
    // After an error, further lines are dropped.
    this.#socket.on('error', () => {})
    this.#socket.unref()
  }

  write(line: string): void {
    if (!this.#socket.writable || this.#socket.writableLength + line.length > MAX_WAITING_BYTES) this.dropped++
    else this.#socket.write(line)
  }

  async flush(limitMs: number): Promise<void> {
    const until = performance.now() + limitMs
    while (this.#socket.writable && this.#socket.writableLength > 0 && performance.now() < until) await sleep(LOOK_MS)
  }
}

/** A file, terminal or device. After a disk was full, writing resumes when it has room. */
class FileOutput implements LogOutput {
  dropped = 0
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  write(line: string): void {
    try {
      let bytes: Buffer = Buffer.from(line)
      while (bytes.length > 0) bytes = bytes.subarray(writeSync(this.#fd, bytes))
    } catch {
      this.dropped++
    }
  }

  async flush(): Promise<void> {}
}
