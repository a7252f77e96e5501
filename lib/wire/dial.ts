import type { Socket } from 'node:net'
import { serviceError } from '../service/errors.ts'
import { MAX_HEAD_BYTES, parseResponseHead, type ResponseHead } from './head.ts'
import { connectLending } from './shared-read.ts'

export interface DialLimits {
  /** Longest time from the first packet to the whole head of the answer, in milliseconds. */
  readonly handshakeTimeoutMs: number
  /** Bytes that may wait in our memory for a reader that is slow. */
  readonly maxQueueBytes: number
}

/** An upstream that has answered: its socket is paused and lends its chunks, and `rest` is what came after the head of its answer. */
export interface Answered {
  readonly socket: Socket
  readonly head: ResponseHead
  readonly rest: Buffer
}

const END_OF_HEAD = Buffer.from('\r\n\r\n')

/** Whether a connection failed before it was one. */
const isUnconnected = (error: NodeJS.ErrnoException): boolean =>
  error instanceof AggregateError || error.syscall === 'connect' || error.syscall === 'getaddrinfo'

/** An attempt that is under way. */
export interface Dialling {
  /**
   * Resolves with the upstream's answer.
   *
   * @throws `WSO_ERR_UPSTREAM_UNREACHABLE` (502) where nobody takes the connection, `WSO_ERR_UPSTREAM_FAILED` (502) or
   * `WSO_ERR_UPSTREAM_TIMEOUT` (504) where somebody does and does not answer as they should, or what `abort` was given
   */
  readonly answered: Promise<Answered>
  /** Gives the attempt up; without effect once it has been answered. */
  abort(reason: Error): void
}

/**
 * Connects to an upstream, sends it an opening handshake and reads the head of its answer.
 *
 * @param handshake the bytes to send
 */
export function dial(host: string, port: number, handshake: Buffer, limits: DialLimits): Dialling {
  const name = `${host}:${port}`
  let abort!: (reason: Error) => void
  const answered = new Promise<Answered>((resolve, reject) => {
    const socket = connectLending({
      host,
      port,
      noDelay: true,
      allowHalfOpen: true,
      writableHighWaterMark: limits.maxQueueBytes,
    })
    let received: Buffer | undefined
    const stop = () => {
      clearTimeout(timer)
      abort = () => {}
      socket.off('data', onData).off('error', onError).off('end', onEnd)
    }
    const fail = (error: Error) => {
      stop()
      // It may still fail by itself while it goes; nobody is interested.
      socket.on('error', () => {})
      socket.destroy()
      reject(error)
    }
    const unreachable = (why: string) => fail(serviceError('UPSTREAM_UNREACHABLE', name, why))
    const broken = (why: string) => fail(serviceError('UPSTREAM_FAILED', name, why))
    const onError = (error: Error) => (isUnconnected(error) ? unreachable : broken)(error.message)
    const onEnd = () => broken('it ended the connection')
    const onData = (chunk: Buffer) => {
      received = received ? Buffer.concat([received, chunk]) : Buffer.from(chunk)
      for (let end = received.indexOf(END_OF_HEAD); end >= 0; end = received.indexOf(END_OF_HEAD)) {
        const head = parseResponseHead(received.toString('latin1', 0, end))
        if (!head) {
          broken('its answer is not HTTP/1')
          return
        }
        received = received.subarray(end + END_OF_HEAD.length)
        // Others of 1xx, such as 103 (Early Hints), come before the answer (RFC 9110 §15.2).
        if (head.status >= 200 || head.status === 101) {
          socket.pause()
          stop()
          resolve({ socket, head, rest: received })
          return
        }
      }
      if (received.length > MAX_HEAD_BYTES) broken(`its answer has no end within ${MAX_HEAD_BYTES} bytes`)
    }
    const timer = setTimeout(
      () =>
        socket.connecting
          ? unreachable(`it did not take the connection within ${limits.handshakeTimeoutMs} ms`)
          : fail(serviceError('UPSTREAM_TIMEOUT', name, limits.handshakeTimeoutMs)),
      limits.handshakeTimeoutMs,
    )
    socket.on('error', onError).on('data', onData).on('end', onEnd)
    socket.write(handshake)
    abort = fail
  })
  return { answered, abort: reason => abort(reason) }
}
