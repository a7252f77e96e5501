import { connect, type Socket } from 'node:net'
import { USER_HEADER } from '../../lib/service/names.ts'
import { acceptOf } from '../echo.ts'
import { CLOSE, FrameSplitter, type Header, maskedFrame, PING, PONG } from './frames.ts'
import type { Client } from './job.ts'
import { MASK } from './message.ts'

const KEY = Buffer.from('ws-operator-load').toString('base64')
const ACCEPT = acceptOf(KEY)
const MAX_HEAD_BYTES = 16_384
const HANDSHAKE_TIMEOUT_MS = 10_000

/** What is read goes here first: it is dealt with before the next read, whichever connection that is for. */
const READ_BUFFER = Buffer.allocUnsafeSlow(262_144)
const CLOSE_FRAME = maskedFrame(CLOSE, Buffer.from([0x03, 0xe8]), MASK)

/** What happens on a connection. */
export interface Listener {
  /** A data frame; the bytes are valid only during the call. */
  onMessage(header: Header, bytes: Buffer, payload: number): void
  /** All frames that came with one read were told. */
  onRead?(): void
  /** It has ended; `wanted`: after {@link Connection.close}. */
  onEnd(wanted: boolean): void
}

/** A WebSocket client on a raw socket. */
export class Connection {
  /** Resolves when the handshake is done; rejects where it was refused. */
  readonly opened: Promise<void>
  readonly #socket: Socket
  readonly #listener: Listener
  readonly #frames: FrameSplitter
  #head: Buffer | undefined = Buffer.alloc(0)
  #closing = false
  #settle: { resolve: () => void; reject: (error: Error) => void }

  constructor(client: Client, listener: Listener) {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.opened = promise
    this.#settle = { resolve, reject }
    this.#listener = listener
    this.#frames = new FrameSplitter((header, bytes, payload) => this.#frame(header, bytes, payload))
    this.#socket = connect({
      host: '127.0.0.1',
      port: client.port,
      noDelay: true,
      onread: {
        buffer: READ_BUFFER,
        callback: (length: number, buffer: Uint8Array) => this.#read((buffer as Buffer).subarray(0, length)),
      },
    })
    this.#socket.setTimeout(HANDSHAKE_TIMEOUT_MS, () => this.#fail(new Error('the handshake was not answered in time')))
    this.#socket.on('error', error => this.#fail(error))
    this.#socket.once('close', () => {
      reject(new Error('the connection ended before its handshake was answered'))
      listener.onEnd(this.#closing)
    })
    this.#socket.write(
      `GET /bench HTTP/1.1\r\nHost: 127.0.0.1:${client.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${KEY}\r\nSec-WebSocket-Version: 13\r\n${USER_HEADER}: ${client.user}\r\n\r\n`,
    )
  }

  /** Sends whole frames; `bytes` must stay as they are until they are answered. */
  write(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes)
  }

  /** Makes one write of all that `work` writes. */
  together(work: () => void): void {
    this.#socket.cork()
    work()
    this.#socket.uncork()
  }

  /** Asks to close (RFC 6455 §5.5.1); the server ends the connection. */
  close(): void {
    this.#closing = true
    this.write(CLOSE_FRAME)
  }

  destroy(): void {
    this.#closing = true
    this.#socket.destroy()
  }

  #read(chunk: Buffer): boolean {
    try {
      const frames = this.#head ? this.#handshake(this.#head, chunk) : chunk
      if (frames) {
        this.#frames.push(frames)
        this.#listener.onRead?.()
      }
    } catch (error) {
      this.#fail(error as Error)
    }
    return true
  }

  /** @returns what came after the handshake's answer; `undefined` while that is not complete */
  #handshake(before: Buffer, chunk: Buffer): Buffer | undefined {
    const head = Buffer.concat([before, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0 && head.length <= MAX_HEAD_BYTES) {
      this.#head = head
      return undefined
    }
    const answer = head.toString('latin1', 0, end)
    const accept = /^sec-websocket-accept:[ \t]*(\S+)/im.exec(answer)?.[1]
    if (!/^HTTP\/1\.1 101 /.test(answer) || accept !== ACCEPT) {
      throw new Error(`the handshake was answered: ${answer.split('\r\n', 1)[0]}`)
    }
    this.#head = undefined
    this.#socket.setTimeout(0)
    this.#settle.resolve()
    return end + 4 < head.length ? head.subarray(end + 4) : undefined
  }

  #frame(header: Header, bytes: Buffer, payload: number): void {
    if (header.opcode < CLOSE) this.#listener.onMessage(header, bytes, payload)
    else if (header.opcode === PING) {
      this.write(maskedFrame(PONG, bytes.subarray(payload, payload + header.length), MASK))
    } else if (header.opcode === CLOSE && !this.#closing) this.#socket.end(CLOSE_FRAME)
  }

  #fail(error: Error): void {
    this.#settle.reject(error)
    this.#socket.destroy()
  }
}
