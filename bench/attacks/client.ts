import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const END_OF_HEAD = '\r\n\r\n'

const head = (path: string, user: string) =>
  `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
  `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nws-user-id: ${user}\r\n`

/** A connection that does not keep to what is expected of clients; what it receives is dropped, or left where it is. */
export class Client {
  readonly socket: Socket
  readonly user: string

  /** @param port of 127.0.0.1 */
  constructor(port: number, user: string) {
    this.user = user
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true })
    // Whatever ends it is what the attack is about; the program counts it.
    this.socket.on('error', () => {})
  }

  /** Shakes hands. @throws where it is refused */
  async open(path: string): Promise<this> {
    const { socket } = this
    socket.write(head(path, this.user) + END_OF_HEAD.slice(2))
    const answer = await new Promise<string>((resolve, reject) => {
      const gone = () => reject(new Error('it was cut off'))
      socket.once('close', gone)
      socket.once('data', (bytes: Buffer) => {
        socket.off('close', gone)
        resolve(bytes.toString('latin1'))
      })
    })
    if (!answer.startsWith('HTTP/1.1 101 ')) throw new Error(answer)
    return this
  }

  /** Sends a plain request. @throws where it is refused */
  async ask(request: string): Promise<this> {
    await once(this.socket, 'connect')
    if (this.closed) throw new Error('it was cut off')
    this.socket.write(request)
    return this
  }

  /** Begins a handshake, as long as it may be, and does not end it. */
  async begin(path: string, bytes: number): Promise<this> {
    await once(this.socket, 'connect')
    if (this.closed) throw new Error('it was cut off')
    this.socket.write(`${head(path, this.user)}X-Long: ${'x'.repeat(bytes)}`)
    return this
  }

  /** Writes, and waits until the kernel has it; forever where the other end does not read. */
  write(bytes: Buffer): Promise<void> {
    return new Promise(resolve => this.socket.write(bytes, () => resolve()))
  }

  get closed(): boolean {
    return this.socket.destroyed
  }
}
