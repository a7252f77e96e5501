import { randomBytes, randomInt } from 'node:crypto'
import { get } from 'node:http'
import type { Socket } from 'node:net'
import { LATE_MS } from './app.ts'
import { Connection, shakeHands } from './connection.ts'

/** Where a client lives. */
export interface World {
  /** The balancer's. */
  readonly port: number
  /** A name that nobody has had before, so that whatever is kept for a user adds up. */
  newUser(): string
  /** What is destroyed when the life is over, however it ended. */
  readonly sockets: Socket[]
}

/** One way to come, talk and leave. */
export interface Life {
  /** How often, compared with the others. */
  readonly weight: number
  /** What it ends with when all is well: a close code, a status, or a word. */
  readonly expected: readonly (number | string)[]
  live(world: World): Promise<number | string>
}

/** What the programs are told, so that all limits are met within seconds. */
export const LIMITS = {
  HANDSHAKE_TIMEOUT_MS: 5000,
  MAX_PAYLOAD_BYTES: 1_048_576,
  SLOW_CONSUMER_SECONDS: 2,
  CLIENT_PING_SECONDS: 1,
  CLIENT_IDLE_SECONDS: 4,
} as const

/** A client whose handshake was accepted. @throws where it was not */
export async function come(world: World, user = world.newUser()): Promise<Connection> {
  const connection = await ask(world, '/', user)
  if (connection.status !== 101) throw new Error(`status ${connection.status}`)
  return connection
}

/** A handshake, whatever is answered. */
function ask(world: World, path: string, user = world.newUser(), key?: string): Promise<Connection> {
  const socket = shakeHands(world.port, user, path, key)
  world.sockets.push(socket)
  return Connection.over(socket)
}

/** A few messages of all sizes, each echoed. */
async function talk(connection: Connection): Promise<void> {
  for (let n = randomInt(1, 6); n > 0; n--) {
    const bytes = randomInt(20) === 0 ? randomInt(65_536, 300_000) : randomInt(2000)
    connection.send(randomInt(2) === 0 ? randomBytes(bytes) : 'x'.repeat(bytes + 200))
    const event = await connection.next()
    if (event.type !== 'message') throw new Error(`${event.type} instead of an echo`)
  }
}

/** Comes, talks, and leaves in its own way. */
const visit =
  (leave: (connection: Connection) => number | string | Promise<number | string>): Life['live'] =>
  async world => {
    const connection = await come(world)
    await talk(connection)
    return leave(connection)
  }

/** A handshake that is refused. */
const refused =
  (path: string, key?: string): Life['live'] =>
  async world => {
    const connection = await ask(world, path, world.newUser(), key)
    await connection.ended()
    return connection.status
  }

const gone = (connection: Connection) =>
  new Promise<string>(resolve => connection.socket.once('close', () => resolve('gone')))

/** Every way there is to come and go. */
export const LIVES: Readonly<Record<string, Life>> = {
  'client closes': { weight: 80, expected: [1000], live: visit(connection => connection.close(1000)) },
  'client vanishes (FIN)': {
    weight: 30,
    expected: ['gone'],
    live: visit(connection => {
      connection.socket.destroy()
      return gone(connection)
    }),
  },
  'client vanishes (RST)': {
    weight: 20,
    expected: ['gone'],
    live: visit(connection => {
      connection.socket.resetAndDestroy()
      return gone(connection)
    }),
  },
  'client vanishes within a frame': {
    weight: 20,
    expected: ['gone'],
    live: visit(connection => {
      connection.write(Buffer.concat([Buffer.of(0x82, 0xfe, 0x40, 0, 1, 2, 3, 4), randomBytes(1000)]))
      connection.socket.destroy()
      return gone(connection)
    }),
  },
  'client ends its half only': {
    weight: 20,
    expected: [1006],
    live: visit(connection => {
      connection.socket.end()
      return connection.ended()
    }),
  },
  'client falls silent': {
    weight: 10,
    expected: [1001, 1006],
    live: visit(async connection => {
      connection.socket.pause()
      await new Promise(resolve => setTimeout(resolve, LIMITS.CLIENT_IDLE_SECONDS * 1000 + 1500))
      connection.socket.resume()
      return connection.ended()
    }),
  },
  'client does not read': {
    weight: 2,
    expected: [1013, 1006],
    live: visit(async connection => {
      connection.socket.pause()
      connection.send('flood 160')
      await new Promise(resolve => setTimeout(resolve, LIMITS.SLOW_CONSUMER_SECONDS * 1000 + 2000))
      connection.socket.resume()
      return connection.ended()
    }),
  },
  'app closes': {
    weight: 30,
    expected: [4001],
    live: visit(connection => {
      connection.send('close 4001')
      return connection.ended()
    }),
  },
  'app vanishes': {
    weight: 20,
    expected: [1006],
    live: visit(connection => {
      connection.send('terminate')
      return connection.ended()
    }),
  },
  'message too big': {
    weight: 10,
    expected: [1009],
    live: visit(connection => {
      connection.write(Buffer.of(0x82, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 1, 2, 3, 4))
      return connection.ended()
    }),
  },
  'no frame': {
    weight: 10,
    expected: [1002],
    live: visit(connection => {
      connection.write(Buffer.of(0xff, 0x80, 1, 2, 3, 4))
      return connection.ended()
    }),
  },
  'addressed to another': {
    weight: 40,
    expected: ['heard'],
    async live(world) {
      const to = world.newUser()
      const [sender, recipient] = await Promise.all([come(world), come(world, to)])
      for (let n = 0; n < 5; n++) {
        sender.send(JSON.stringify({ recipientId: to, n }))
        sender.send(JSON.stringify({ recipientId: world.newUser(), n }))
      }
      let heard = 0
      while (heard < 5 && (await recipient.next()).type === 'message') heard++
      await Promise.all([sender.close(1000), recipient.close(1000)])
      return heard === 5 ? 'heard' : `heard ${heard} of 5`
    },
  },
  'app refuses': { weight: 20, expected: [403], live: refused('/refuse') },
  'app drops the handshake': { weight: 10, expected: [502], live: refused('/drop') },
  'app does not answer': { weight: 10, expected: [504], live: refused('/hang') },
  'bad handshake': { weight: 10, expected: [400], live: refused('/', 'no key') },
  'client leaves during the handshake': {
    weight: 20,
    expected: ['left'],
    async live({ port, newUser, sockets }) {
      const socket = shakeHands(port, newUser(), randomInt(4) === 0 ? '/hang' : '/late')
      sockets.push(socket)
      await new Promise(resolve => setTimeout(resolve, randomInt(LATE_MS + 20)))
      if (randomInt(2) === 0) socket.destroy()
      else socket.resetAndDestroy()
      return 'left'
    },
  },
  'plain request': { weight: 10, expected: [200], live: world => plain(world, false) },
  'plain request, left half way': { weight: 10, expected: ['left'], live: world => plain(world, true) },
}

function plain({ port, newUser }: World, leave: boolean): Promise<number | string> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, agent: false, headers: { 'ws-user-id': newUser() } }, response => {
      response.on('error', reject)
      if (leave) {
        response.destroy()
        resolve('left')
      } else response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
    request.on('error', error => (leave ? resolve('left') : reject(error)))
  })
}
