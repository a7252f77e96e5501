import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { encodeClose, encodeFrame, FrameReader, OPCODE, STEP } from '../../lib/websocket/frames.ts'

const MAX_MESSAGE_BYTES = 2 ** 24

/** What came over a connection: a message, a close code, or its end without one. */
export type Event = { type: 'message'; bytes: number } | { type: 'close'; code: number } | { type: 'end' }

/** A client's end, on bytes, so that it can break every rule. */
export class Connection {
  readonly socket: Socket
  /** Status of the answer to the handshake. */
  readonly status: number
  readonly #reader = new FrameReader(false, MAX_MESSAGE_BYTES)
  readonly #events: Event[] = []
  #wake: (() => void) | undefined
  #messageBytes = 0
  #code = 0

  private constructor(socket: Socket, status: number, rest: Buffer) {
    this.socket = socket
    this.status = status
    socket.on('close', () => this.#tell({ type: 'end' }))
    socket.on('end', () => socket.end())
    socket.on('data', chunk => this.#read(chunk))
    if (rest.length > 0) this.#read(rest)
  }

  /**
   * Takes a socket on which a handshake was sent, when its answer is there.
   *
   * @throws where the connection ends before
   */
  static async over(socket: Socket): Promise<Connection> {
    let head = Buffer.alloc(0)
    const end = await new Promise<number>((resolve, reject) => {
      socket.on('data', chunk => {
        head = Buffer.concat([head, chunk])
        if (head.includes('\r\n\r\n')) resolve(head.indexOf('\r\n\r\n') + 4)
      })
      socket.on('end', () => socket.destroy())
      socket.on('close', () => reject(new Error('no answer to the handshake')))
    })
    for (const event of ['data', 'end', 'close']) socket.removeAllListeners(event)
    return new Connection(socket, Number(head.toString('latin1', 9, 12)), head.subarray(end))
  }

  /** What came next. After an end: nothing but the end. */
  async next(): Promise<Event> {
    while (this.#events.length === 0) {
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
    const event = this.#events[0] as Event
    if (event.type !== 'end') this.#events.shift()
    return event
  }

  /** Waits for the end; returns the code of the close frame before it, or 1006 (RFC 6455 §7.1.5). */
  async ended(): Promise<number> {
    for (;;) {
      const event = await this.next()
      if (event.type === 'end') return this.#code || 1006
    }
  }

  send(data: Buffer | string): void {
    const opcode = typeof data === 'string' ? OPCODE.TEXT : OPCODE.BINARY
    this.write(encodeFrame(opcode, Buffer.from(data), randomBytes(4).readUInt32BE()))
  }

  /** Sends bytes as they are. */
  write(bytes: Buffer): void {
    this.socket.write(bytes)
  }

  /** The close handshake, begun here. */
  async close(code: number): Promise<number> {
    this.write(encodeFrame(OPCODE.CLOSE, encodeClose(code), 0x01020304))
    return this.ended()
  }

  #read(chunk: Buffer): void {
    const reader = this.#reader
    for (let at = 0; at < chunk.length; at = reader.position) {
      const step = reader.read(chunk, at)
      if (step === STEP.ERROR) {
        this.socket.destroy()
        return
      }
      const control = reader.opcode >= OPCODE.CLOSE
      if (step === STEP.HEADER && !control) this.#messageBytes += reader.length
      if (step === STEP.END || step === STEP.EMPTY) this.#frame(control, chunk)
    }
  }

  #frame(control: boolean, chunk: Buffer): void {
    const { opcode, length, message, position } = this.#reader
    if (!control) {
      if (message !== 0) return
      this.#tell({ type: 'message', bytes: this.#messageBytes })
      this.#messageBytes = 0
    } else if (opcode === OPCODE.CLOSE) {
      // Cut in two only when the kernel cuts it, which is rare enough to be counted as a close without a code.
      this.#code = length >= 2 && position >= length ? chunk.readUInt16BE(position - length) : 1005
      this.#tell({ type: 'close', code: this.#code })
      this.socket.end(encodeFrame(OPCODE.CLOSE, encodeClose(), 0x01020304))
    } else if (opcode === OPCODE.PING) {
      this.socket.write(encodeFrame(OPCODE.PONG, Buffer.alloc(0), 0x01020304))
    }
  }

  #tell(event: Event): void {
    this.#events.push(event)
    this.#wake?.()
  }
}

/** Connects and sends an opening handshake; waits for nothing. */
export function shakeHands(port: number, user: string, path: string, key = randomBytes(16).toString('base64')): Socket {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true, allowHalfOpen: true })
  socket.on('error', () => socket.destroy())
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: soak\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      `Sec-WebSocket-Key: ${key}\r\nws-user-id: ${user}\r\n\r\n`,
  )
  return socket
}
