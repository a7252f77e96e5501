import { fstatSync, writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Bytes of lines that wait for a reader; what finds no room is dropped. */
const MAX_WAITING_BYTES = 1_048_576

/** How often it is looked whether all lines are written, in milliseconds. */
const LOOK_MS = 5

/** Where log lines go: never waits for who reads them, and never fails. */
export interface LogOutput {
  write(line: string): void
  /** Lines that could not be written. */
  readonly dropped: number
  /** Resolves when all lines are written, or after `limitMs`. */
  flush(limitMs: number): Promise<void>
}

/**
 * Opens a file descriptor for log lines. A pipe that nobody reads, one whose reader has gone, and a full disk cost lines, which are
 * counted, and nothing else.
 */
export function openLogOutput(fd: number): LogOutput {
  try {
    const found = fstatSync(fd)
    return found.isFIFO() || found.isSocket() ? new PipeOutput(fd) : new FileOutput(fd)
  } catch {
    return new FileOutput(fd)
  }
}

/** Written by the event loop: a write that blocks would stop the process, and its end. */
class PipeOutput implements LogOutput {
  dropped = 0
  readonly #socket: Socket

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: false, writable: true })
    // Its lines are dropped from then on.
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

/** A file, a terminal or a device. A disk that has room again gets lines again. */
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
