import { type ClientRequest, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream'
import type { FlowMemory } from '../../bridge/bridge-options.ts'
import { upstreamError, upstreamFault } from '../../bridge/socket/upstream-errors.ts'
import { LEAST_HOLDING_BYTES } from '../../service/memory/policy.ts'
import type { YoungGarbage } from '../../service/memory/young-garbage.ts'
import { MAX_INTERIM_ANSWERS } from '../../websocket/response-head.ts'
import { type Fields, passedFields, shownFields } from '../handshake.ts'
import { isRepeatable } from './outgoing-request.ts'
import { Upload } from './upload.ts'

/**
 * Result of a request. `passed`: complete. `failed`: the answer broke off, or we answered because the body was too
 * slow. `left`: the client left before the end.
 */
export type PlainResult = 'passed' | 'failed' | 'left'

export interface PlainExchangeOptions {
  /** The upstream as `host:port`. */
  readonly upstream: string
  /** Longest time without bytes from the upstream, in milliseconds. */
  readonly timeoutMs: number
  /** Longest response head, in bytes. */
  readonly maxHeadBytes: number
  /** Fields that this hop adds to the answer. */
  readonly answer: Fields
  /** Lower-case names of response fields that clients must not get. */
  readonly hidden: ReadonlySet<string>
  /** Called with the upstream's answer before it is passed on. */
  onAnswer(incoming: IncomingMessage): void
  /** The memory budget of the process, which both bodies use. */
  readonly memory: FlowMemory
  /** Collects the buffers of bodies. */
  readonly garbage: Pick<YoungGarbage, 'add'>
}

/** A kept connection was no longer usable. */
export class StaleConnection extends Error {}

/** One client's request on its path to an upstream, and the answer on its path back; both bodies are streamed. */
export class PlainExchange {
  readonly #outgoing: ClientRequest
  readonly #response: ServerResponse
  readonly #options: PlainExchangeOptions
  readonly #upload: Upload | undefined
  readonly #result = Promise.withResolvers<PlainResult>()
  #incoming: IncomingMessage | undefined
  #interim = 0
  #failed = false

  /**
   * @param request the client's, whose body is sent from now on
   * @param outgoing the request to the upstream, which has sent nothing yet
   */
  constructor(
    request: IncomingMessage,
    outgoing: ClientRequest,
    response: ServerResponse,
    options: PlainExchangeOptions,
  ) {
    this.#outgoing = outgoing
    this.#response = response
    this.#options = options
    outgoing.once('timeout', () => this.#fail(upstreamError('UPSTREAM_TIMEOUT', options.upstream, options.timeoutMs)))
    outgoing.on('error', error => this.#onError(error))
    outgoing.on('information', () => this.#onInterim())
    outgoing.once('upgrade', (_incoming, socket) => this.#onSwitch(socket))
    outgoing.once('close', () => {
      if (!this.#incoming) this.#break('it ended the connection')
    })
    outgoing.once('response', incoming => this.#onAnswer(incoming))
    // Precedes the pipeline's abort if the client left, and follows it if the answer broke off.
    // So it can tell the two cases apart.
    response.once('close', this.#onClose)
    if (isRepeatable(request)) outgoing.end()
    else this.#upload = new Upload(request, outgoing, options.memory, options.garbage)
  }

  /**
   * Resolves when the client's response has closed.
   *
   * @throws before an answer has begun: {@link StaleConnection}, or an error of the upstream from the error table
   */
  get result(): Promise<PlainResult> {
    return this.#result.promise
  }

  /** The connection to the upstream, once there is one. */
  get upstream(): Socket | undefined {
    return this.#outgoing.socket ?? undefined
  }

  /** Bytes of the request's body that wait in this process. */
  get heldBytes(): number {
    return this.#upload?.heldBytes ?? 0
  }

  /** As `Bridge.restrain`, for the request's body. @param unsent bytes that the kernel holds for the upstream */
  restrain(unsent: number): void {
    this.#upload?.restrain(unsent)
  }

  /**
   * Ends the upstream's side to free memory now; must be followed by the end of the client's connection.
   *
   * @param inKernel bytes that the kernel holds for the upstream
   */
  evict(inKernel: number): void {
    // The upstream is not to blame.
    this.#failed = true
    // Without a reset the kernel would keep its buffers for an upstream that does not read.
    if (this.heldBytes + inKernel >= LEAST_HOLDING_BYTES) this.upstream?.resetAndDestroy()
    this.#outgoing.destroy()
  }

  #onError(error: Error): void {
    const { upstream, maxHeadBytes } = this.#options
    // The answer is whole: the fault is in bytes after it, such as the body that some apps send for HEAD.
    if (!this.#incoming?.complete)
      this.#fail(this.#outgoing.reusedSocket ? new StaleConnection() : upstreamFault(error, upstream, maxHeadBytes))
  }

  #onInterim(): void {
    if (++this.#interim > MAX_INTERIM_ANSWERS) this.#break(`more than ${MAX_INTERIM_ANSWERS} answers of 1xx`)
  }

  #onSwitch(socket: Socket): void {
    socket.destroy()
    this.#break('it switched protocols without being asked')
  }

  #onAnswer(incoming: IncomingMessage): void {
    // The parser reads the rest of its chunk even after the request was destroyed.
    if (this.#failed) return
    this.#incoming = incoming
    // Node emits `response` for a 101 without `Connection: Upgrade`.
    if (incoming.statusCode === 101) {
      this.#onSwitch(incoming.socket)
      return
    }
    this.#options.onAnswer(incoming)
    try {
      writeHead(this.#response, incoming, this.#options)
    } catch (error) {
      this.#break((error as Error).message)
      return
    }
    pipeline(incoming, this.#response, () => {})
    incoming.on('data', ({ length }: Buffer) => {
      this.#options.garbage.add(length)
      this.#options.memory.passed(length)
    })
  }

  #break(why: string): void {
    this.#fail(upstreamError('UPSTREAM_FAILED', this.#options.upstream, why))
  }

  /** Once an answer has begun, an error can only break it off. */
  #fail(error: Error): void {
    if (this.#failed) return
    this.#failed = true
    this.#outgoing.destroy()
    if (this.#response.headersSent) this.#response.destroy()
    else {
      // The response may serve another exchange.
      this.#response.off('close', this.#onClose)
      this.#result.reject(error)
    }
  }

  readonly #onClose = (): void => {
    this.#outgoing.destroy()
    const isBroken = this.#failed || this.#incoming?.errored
    this.#result.resolve(this.#response.writableFinished ? 'passed' : isBroken ? 'failed' : 'left')
  }
}

/** A reason phrase that may be sent (RFC 9112 §4). */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/

/** Writes the response head. @throws if Node rejects values that its parser accepted, such as status 099 */
function writeHead(
  response: ServerResponse,
  incoming: IncomingMessage,
  { answer, hidden }: Pick<PlainExchangeOptions, 'answer' | 'hidden'>,
): void {
  const { statusCode = 0, statusMessage = '' } = incoming
  const ours = new Set([...hidden, ...Object.keys(answer).map(field => field.toLowerCase())])
  const fields = [...passedFields(incoming, ours), ...shownFields(answer, hidden)].flat()
  response.writeHead(statusCode, REASON.test(statusMessage) ? statusMessage : STATUS_CODES[statusCode], fields)
}
