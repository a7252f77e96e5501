import { Agent, request } from 'node:http'
import type { Member } from '../../routing/members.ts'
import { encodeKeyHeader, keyProblem } from '../../routing/routing-key.ts'
import { DELIVER_HEADER, MESSAGE_PATH, USER_HEADER } from '../../service/names.ts'
import { encodeMessage, type Message } from '../message.ts'
import { type Deliver, type Outcome, outcomeOfStatus } from '../outcome.ts'
import type { Transport } from './transport.ts'

/** Most connections to one member; further messages wait for one of them. */
const MAX_SOCKETS_PER_MEMBER = 64

/** Whether a request failed before anything of it was sent. */
const isUnsent = (error: NodeJS.ErrnoException): boolean =>
  error instanceof AggregateError || error.syscall === 'connect' || error.syscall === 'getaddrinfo'

/**
 * The HTTP transport: one `POST /message` a message, on kept-alive connections.
 *
 * @param token shown to the other sidecar; empty: none
 */
export function createHttpTransport(token: string): Transport {
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS_PER_MEMBER })
  let closed = false
  return {
    async send(member, user, deliver, message, signal) {
      if (closed) return 'no_owner'
      if (keyProblem(user) !== undefined) return 'rejected'
      return post(agent, token, member, user, deliver, message, signal)
    },
    pipelines: () => false,
    close() {
      closed = true
      agent.destroy()
    },
  }
}

function post(
  agent: Agent,
  token: string,
  { host, port }: Member,
  user: string,
  deliver: Deliver,
  message: Message,
  signal: AbortSignal,
): Promise<Outcome> {
  const body = encodeMessage(message)
  return new Promise(resolve => {
    const outgoing = request(
      {
        agent,
        host,
        port,
        method: 'POST',
        path: MESSAGE_PATH,
        signal,
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': body.length,
          [USER_HEADER]: encodeKeyHeader(user),
          [DELIVER_HEADER]: deliver,
          ...(token && { authorization: `Bearer ${token}` }),
        },
      },
      response => {
        response.resume()
        response.once('close', () => resolve(outcomeOfStatus(response.statusCode ?? 0)))
      },
    )
    // Whoever cannot be reached owns nobody; a connection that breaks later leaves open whether the message has arrived.
    outgoing.once('error', (error: NodeJS.ErrnoException) =>
      resolve(!signal.aborted && isUnsent(error) ? 'no_owner' : 'timeout'),
    )
    outgoing.end(body)
  })
}
