import type { Socket } from 'node:net'
import { MAX_INTERIM_ANSWERS, parseResponseHead, type ResponseHead } from '../../websocket/response-head.ts'
import { connectLending } from './read-buffer.ts'
import { socketMark } from './socket-handler.ts'
import { headTooLong, type NodeError, upstreamError, upstreamFault } from './upstream-errors.ts'

export interface DialLimits {
  /** Longest time from the first packet to the whole head of the answer, in milliseconds. */
  readonly handshakeTimeoutMs: number
  /** Bytes that may wait in our memory for a reader that is slow. */
  readonly maxQueueBytes: number
  /** Longest head of an answer, in bytes. */
  readonly maxHeadBytes: number
}

/** An upstream that has answered: its socket is paused and lends its chunks, and `rest` is what came after the head of its answer. */
export interface Answered {
  readonly socket: Socket
  readonly head: ResponseHead
  readonly rest: Buffer
}

const END_OF_HEAD = Buffer.from('\r\n\r\n')

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
      writableHighWaterMark: socketMark(limits.maxQueueBytes),
    })
    let received: Buffer | undefined
    let interim = 0
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
    const broken = (why: string) => fail(upstreamError('UPSTREAM_FAILED', name, why))
    const onError = (error: NodeError) => fail(upstreamFault(error, name, limits.maxHeadBytes))
    const onEnd = () => broken('it ended the connection')
    const onData = (chunk: Buffer) => {
      received = received ? Buffer.concat([received, chunk]) : Buffer.from(chunk)
      for (let end = received.indexOf(END_OF_HEAD); end >= 0; end = received.indexOf(END_OF_HEAD)) {
        if (end > limits.maxHeadBytes) break
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
        if (++interim > MAX_INTERIM_ANSWERS) {
          broken(`more than ${MAX_INTERIM_ANSWERS} answers of 1xx`)
          return
        }
      }
      if (received.length > limits.maxHeadBytes) broken(headTooLong(limits.maxHeadBytes))
    }
    const timer = setTimeout(
      () =>
        socket.connecting
          ? fail(upstreamError('UPSTREAM_UNREACHABLE', name, `no connection within ${limits.handshakeTimeoutMs} ms`))
          : fail(upstreamError('UPSTREAM_TIMEOUT', name, limits.handshakeTimeoutMs)),
      limits.handshakeTimeoutMs,
    )
    socket.on('error', onError).on('data', onData).on('end', onEnd)
    socket.write(handshake)
    abort = fail
  })
  return { answered, abort: reason => abort(reason) }
}
