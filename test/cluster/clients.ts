import { once } from 'node:events'
import { WebSocket } from 'ws'
import { UPSTREAM_HOST_HEADER } from '../../lib/service/names.ts'
import { waitFor } from './wait.ts'

/** A connected user of the chat. */
export interface User {
  readonly name: string
  /** Member that the balancer chose for this user. */
  readonly member: string
  readonly received: string[]
  send(message: object): void
  close(): Promise<void>
}

/** Connects a user. @param address host:port of the balancer */
export async function connectUser(address: string, name: string): Promise<User> {
  const socket = new WebSocket(`ws://${address}/?user=${name}`, { handshakeTimeout: 10_000 })
  const received: string[] = []
  socket.on('message', data => received.push(String(data)))
  const [[response]] = await Promise.all([once(socket, 'upgrade'), once(socket, 'open')])
  return {
    name,
    member: response.headers[UPSTREAM_HOST_HEADER] ?? '',
    received,
    send: message => socket.send(JSON.stringify(message)),
    async close() {
      if (socket.readyState === WebSocket.CLOSED) return
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}

/** Connects users until two are on different members. @throws where 50 users all are on one */
export async function connectApart(address: string): Promise<[User, User]> {
  const first = await waitFor('the balancer takes a user', () => connectUser(address, 'user-0'))
  for (let i = 1; i < 50; i++) {
    const other = await connectUser(address, `user-${i}`)
    if (other.member !== first.member) return [first, other]
    await other.close()
  }
  await first.close()
  throw new Error(`50 users, and all are on ${first.member}`)
}
