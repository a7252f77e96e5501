import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { encodeKeyHeader, keyProblem } from '../../lib/routing/key/routing-key.ts'
import type { Member } from '../../lib/routing/members.ts'
import {
  CONNECTION_HEADER,
  DELIVER_END,
  DELIVER_HEADER,
  HANDSHAKE_BYTES_HEADER,
  LANE_HEADER,
  MESSAGE_ID_HEADER,
  MESSAGE_PATH,
  MOVED_TO_HEADER,
  SERVED_HEADER,
  USER_HEADER,
} from '../../lib/service/names.ts'
import { encodeMessage } from '../../lib/websocket/message.ts'
import { encodeUsers } from './announcement.ts'
import { type Deadline, deadlineIn } from './deadline.ts'
import { type Answer, answerOfStatus, REFUSED } from './outcome.ts'
import { SendingProcess } from './sending-process.ts'
import type { RoutedMessage, Transport, TransportIdentity } from './transport.ts'
import { isUnknownPeer } from './unknown-peer.ts'

/** Maximum number of connections to one member; further messages wait for one of them. */
const MAX_SOCKETS_PER_MEMBER = 64

/** Time limit for establishing a connection, in milliseconds: a vanished pod does not refuse connections. */
const CONNECT_MS = 2000

/** Time limit for reporting that a connection has ended, in milliseconds. */
const END_MS = 5000
const NO_BODY = Buffer.alloc(0)

/** The HTTP transport: one `POST /message` per message, on kept-alive connections. */
export function createHttpTransport(identity: TransportIdentity, connectMs = CONNECT_MS): Transport {
  return new HttpTransport(new SendingProcess(identity), connectMs)
}

/** Never sends a message again: the outcome of an unanswered request cannot be determined. */
export class HttpTransport implements Transport {
  readonly #process: SendingProcess
  readonly #connectMs: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS_PER_MEMBER })
  #closed = false

  constructor(process: SendingProcess, connectMs = CONNECT_MS) {
    this.#process = process
    this.#connectMs = connectMs
  }

  async send(member: Member, routed: RoutedMessage, deadline: Deadline): Promise<Answer> {
    if (this.#closed) return 'no_owner'
    if (keyProblem(routed.user) !== undefined) return 'rejected'
    if (deadline.aborted) return 'timeout'
    // Each message is the only one of its lane in flight, so it starts the lane, as the receiver assumes.
    const headers = {
      'content-type': 'application/octet-stream',
      [USER_HEADER]: encodeKeyHeader(routed.user),
      [DELIVER_HEADER]: routed.deliver,
      [MESSAGE_ID_HEADER]: this.#process.nextId(),
      [LANE_HEADER]: routed.lane,
      ...(routed.deliveredTo && { [SERVED_HEADER]: routed.deliveredTo.join(',') }),
      ...(routed.origin && { [CONNECTION_HEADER]: routed.origin.id }),
    }
    const message = encodeMessage(routed.message)
    const handshake = routed.origin?.handshake
    if (!handshake) return this.#request('POST', member, headers, message, deadline)
    const introduced = { ...headers, [HANDSHAKE_BYTES_HEADER]: handshake.length }
    return this.#request('POST', member, introduced, Buffer.concat([handshake, message]), deadline)
  }

  end(member: Member, connection: string): void {
    if (this.#closed) return
    // Sent as a kind of delivery, because an older sidecar refuses an unknown kind.
    const headers = { [DELIVER_HEADER]: DELIVER_END, [CONNECTION_HEADER]: connection }
    void this.#request('POST', member, headers, NO_BODY, deadlineIn(END_MS))
  }

  async announce(member: Member, users: readonly string[], deadline: Deadline): Promise<boolean> {
    if (this.#closed || deadline.aborted) return false
    const headers = { 'content-type': 'text/plain; charset=utf-8' }
    return (await this.#request('PUT', member, headers, encodeUsers(users), deadline)) === 'delivered'
  }

  pipelines(): boolean {
    return false
  }

  close(): void {
    this.#closed = true
    this.#agent.destroy()
  }

  #request(
    method: string,
    { host, port }: Member,
    headers: Readonly<Record<string, string | number>>,
    body: Buffer,
    deadline: Deadline,
  ): Promise<Answer> {
    const agent = this.#agent
    const fields = { ...this.#process.headers, ...headers, 'content-length': body.length }
    return new Promise(resolve => {
      // Nothing can have arrived before there is a connection; after that, the outcome is unknown.
      let connected = false
      const settle = (answer: Answer) => {
        deadline.removeEventListener('abort', worker)
        resolve(answer)
      }
      const fail = () => settle(connected ? 'timeout' : 'no_owner')
      const worker = {
        handleEvent() {
          // A request that waits for a connection of the agent does not report its destruction.
          fail()
          outgoing.destroy()
        },
      }
      const answered = (response: IncomingMessage) => {
        const { statusCode = 0, headers } = response
        const answer = isUnknownPeer(headers)
          ? REFUSED
          : answerOfStatus(statusCode, headers[MOVED_TO_HEADER]?.toString())
        response.resume()
        response.once('close', () => settle(answer))
      }
      let outgoing: ClientRequest
      try {
        outgoing = request({ agent, host, port, method, path: MESSAGE_PATH, headers: fields }, answered)
      } catch {
        // An invalid header is reported by an exception.
        resolve('no_owner')
        return
      }
      outgoing.once('socket', socket => {
        connected = !socket.connecting
        if (connected) return
        const timer = setTimeout(() => outgoing.destroy(), this.#connectMs)
        socket.once('connect', () => {
          connected = true
        })
        for (const event of ['connect', 'close']) socket.once(event, () => clearTimeout(timer))
      })
      outgoing.on('error', fail)
      deadline.addEventListener('abort', worker)
      outgoing.end(body)
    })
  }
}
