import type { Socket } from 'node:net'
import { MAX_INTERIM_ANSWERS, parseResponseHead, type ResponseHead } from '../../websocket/response-head.ts'
import { connectLending } from './read-buffer.ts'
import { socketMark } from './socket-handler.ts'
import type { SocketReads } from './socket-reads.ts'
import { headTooLong, type NodeError, upstreamError, upstreamFault } from './upstream-errors.ts'

export interface DialLimits {
  /** Longest time from the first packet to the complete response head, in milliseconds. */
  readonly handshakeTimeoutMs: number
  /** Bytes that may wait in our memory for a slow reader. */
  readonly maxQueueBytes: number
  /** Longest response head, in bytes. */
  readonly maxHeadBytes: number
  /** Decides how the socket is read; cautiously by default. */
  readonly reads?: SocketReads
}

/**
 * An upstream that has answered. Its socket is paused and lends its chunks; `rest` has the bytes after the response
 * head.
 */
export interface Answered {
  readonly socket: Socket
  readonly head: ResponseHead
  readonly rest: Buffer
}

const END_OF_HEAD = Buffer.from('\r\n\r\n')

/** A dial that is under way. */
export interface Dialling {
  /**
   * Resolves with the upstream's answer.
   *
   * @throws `WSO_ERR_UPSTREAM_UNREACHABLE` (502) if the connection is not accepted; `WSO_ERR_UPSTREAM_FAILED` (502) or
   * `WSO_ERR_UPSTREAM_TIMEOUT` (504) if it is accepted but not answered properly; or the error given to `abort`
   */
  readonly answered: Promise<Answered>
  /** Cancels the dial; no effect once it has been answered. */
  abort(reason: Error): void
}

/** Reads an upstream's answer up to the end of its head. */
class HeadReader {
  readonly #maxHeadBytes: number
  #received: Buffer | undefined
  #interim = 0

  constructor(maxHeadBytes: number) {
    this.#maxHeadBytes = maxHeadBytes
  }

  /**
   * Reads another chunk, which need not stay valid after the call.
   *
   * @returns the response head and the bytes after it, or an error text; `undefined` while the head is incomplete
   */
  read(chunk: Buffer): Omit<Answered, 'socket'> | string | undefined {
    let bytes = this.#received ? Buffer.concat([this.#received, chunk]) : Buffer.from(chunk)
    for (let end = bytes.indexOf(END_OF_HEAD); end >= 0; end = bytes.indexOf(END_OF_HEAD)) {
      if (end > this.#maxHeadBytes) break
      const head = parseResponseHead(bytes.toString('latin1', 0, end))
      if (!head) return 'its answer is not HTTP/1'
      bytes = bytes.subarray(end + END_OF_HEAD.length)
      // Other 1xx answers, such as 103 (Early Hints), precede the final answer (RFC 9110 §15.2).
      if (head.status >= 200 || head.status === 101) return { head, rest: bytes }
      if (++this.#interim > MAX_INTERIM_ANSWERS) return `more than ${MAX_INTERIM_ANSWERS} answers of 1xx`
    }
    this.#received = bytes
    return bytes.length > this.#maxHeadBytes ? headTooLong(this.#maxHeadBytes) : undefined
  }
}

class Attempt implements Dialling {
  readonly answered: Promise<Answered>
  readonly #socket: Socket
  /** host:port */
  readonly #name: string
  readonly #limits: DialLimits
  readonly #head: HeadReader
  readonly #timer: NodeJS.Timeout
  readonly #settle: { resolve(answered: Answered): void; reject(error: Error): void }
  #isOver = false

  constructor(host: string, port: number, handshake: Buffer, limits: DialLimits) {
    const { promise, resolve, reject } = Promise.withResolvers<Answered>()
    this.answered = promise
    this.#settle = { resolve, reject }
    this.#name = `${host}:${port}`
    this.#limits = limits
    this.#head = new HeadReader(limits.maxHeadBytes)
    const options = {
      host,
      port,
      noDelay: true,
      allowHalfOpen: true,
      writableHighWaterMark: socketMark(limits.maxQueueBytes),
    }
    this.#socket = limits.reads?.connect(options) ?? connectLending(options)
    this.#timer = setTimeout(() => this.#timeOut(), limits.handshakeTimeoutMs)
    this.#socket.on('error', this.#onError).on('data', this.#onData).on('end', this.#onEnd)
    this.#socket.write(handshake)
  }

  abort(reason: Error): void {
    if (this.#isOver) return
    this.#stop()
    // Errors of a socket that is being destroyed do not matter.
    this.#socket.on('error', () => {})
    this.#socket.destroy()
    this.#settle.reject(reason)
  }

  #stop(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
    this.#socket.off('data', this.#onData).off('error', this.#onError).off('end', this.#onEnd)
  }

  readonly #onError = (error: NodeError) => this.abort(upstreamFault(error, this.#name, this.#limits.maxHeadBytes))
  readonly #onEnd = () => this.#fail('it ended the connection')
  readonly #onData = (chunk: Buffer) => {
    const result = this.#head.read(chunk)
    if (typeof result === 'string') this.#fail(result)
    else if (result) this.#answer(result)
  }

  #answer({ head, rest }: Omit<Answered, 'socket'>): void {
    this.#socket.pause()
    this.#stop()
    this.#settle.resolve({ socket: this.#socket, head, rest })
  }

  #fail(why: string): void {
    this.abort(upstreamError('UPSTREAM_FAILED', this.#name, why))
  }

  #timeOut(): void {
    const { handshakeTimeoutMs } = this.#limits
    if (!this.#socket.connecting) this.abort(upstreamError('UPSTREAM_TIMEOUT', this.#name, handshakeTimeoutMs))
    else this.abort(upstreamError('UPSTREAM_UNREACHABLE', this.#name, `no connection within ${handshakeTimeoutMs} ms`))
  }
}

/**
 * Connects to an upstream, sends an opening handshake and reads the response head.
 *
 * @param handshake the bytes to send
 */
export function dial(host: string, port: number, handshake: Buffer, limits: DialLimits): Dialling {
  return new Attempt(host, port, handshake, limits)
}
