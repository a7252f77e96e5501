import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { CLOSE, FrameSplitter, type Header, headerSize, PING, PONG, writeHeader } from './load/frames.ts'

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const MAX_HEAD_BYTES = 16_384

/**
 * The app behind all the proxies: `node bench/echo.ts PORT` answers each WebSocket frame with itself. It works on bytes, so that
 * it takes as little as can be of the core that it shares with the load generator.
 */
function echo(socket: Socket): void {
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  const out = new Answers(socket)
  const frames = new FrameSplitter((header, bytes, payload) => out.add(header, bytes, payload))
  let head: Buffer = Buffer.alloc(0)
  const onFrames = (chunk: Buffer) => {
    frames.push(chunk)
    out.flush()
  }
  const onHead = (chunk: Buffer) => {
    head = Buffer.concat([head, chunk])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) {
      if (head.length > MAX_HEAD_BYTES) socket.destroy()
      return
    }
    const key = /^sec-websocket-key:[ \t]*(\S+)/im.exec(head.toString('latin1', 0, end))?.[1]
    if (key === undefined) {
      socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
    socket.off('data', onHead).on('data', onFrames)
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
    )
    if (head.length > end + 4) onFrames(head.subarray(end + 4))
  }
  socket.on('data', onHead)
}

/** RFC 6455 §4.2.2. */
export const acceptOf = (key: string): string =>
  createHash('sha1')
    .update(key + GUID)
    .digest('base64')

/** Most bytes of one write. */
const OUT_BYTES = 262_144

/** The answers to one chunk, which go out in one write. All connections fill the same buffer, one after the other. */
class Answers {
  static #buffer = Buffer.allocUnsafeSlow(OUT_BYTES)
  static #words = new Uint32Array(Answers.#buffer.buffer)
  readonly #socket: Socket
  #used = 0
  #ends = false

  constructor(socket: Socket) {
    this.#socket = socket
  }

  add(header: Header, bytes: Buffer, payload: number): void {
    if (this.#ends || header.opcode === PONG) return
    const { length } = header
    if (!header.masked || length > 65_535) {
      this.#socket.destroy()
      return
    }
    const size = headerSize(length, false)
    if (this.#used + size + length > OUT_BYTES) this.flush()
    const first = header.opcode === PING ? 0x80 | PONG : header.first
    writeHeader(Answers.#buffer, this.#used, first, length)
    bytes.copy(Answers.#buffer, this.#used + size, payload, payload + length)
    Answers.#unmask(this.#used + size, length, bytes, payload - 4)
    this.#used += size + length
    this.#ends = header.opcode === CLOSE
  }

  static #unmask(start: number, length: number, mask: Buffer, maskAt: number): void {
    const buffer = Answers.#buffer
    let i = 0
    if (start % 4 === 0) {
      const word = mask.readUInt32LE(maskAt)
      const words = Answers.#words
      const end = (start + length) >> 2
      for (let at = start >> 2; at < end; at++) words[at]! ^= word
      i = length & ~3
    }
    for (; i < length; i++) buffer[start + i]! ^= mask[maskAt + (i & 3)]!
  }

  flush(): void {
    if (this.#used > 0 && this.#socket.writable) {
      this.#socket.write(Answers.#buffer.subarray(0, this.#used))
      // What the kernel did not take at once is still needed there.
      if (this.#socket.writableLength > 0) {
        Answers.#buffer = Buffer.allocUnsafeSlow(OUT_BYTES)
        Answers.#words = new Uint32Array(Answers.#buffer.buffer)
      }
    }
    this.#used = 0
    if (this.#ends) this.#socket.end()
  }
}

if (import.meta.main) {
  createServer(echo).listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 })
}
