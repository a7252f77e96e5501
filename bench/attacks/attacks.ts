import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import type { Client } from './client.ts'
import { clientFrame, clientHeader } from './frames.ts'

const [CONTINUATION, TEXT, BINARY] = [0, 1, 2]

const MIB = 1 << 20

/** A way to take more memory of a proxy than is one's due. */
export interface Attack {
  readonly name: string
  /** What its clients do, for a person to read. */
  readonly about: string
  /** How many clients killed a sidecar of 192 MiB, and a balancer of 512 MiB, that had no budget. */
  readonly clients: Readonly<Record<'sidecar' | 'balancer', number>>
  /** What the app does with their connections: echo (`/`), `/flood` or `/sink`. */
  readonly path: string
  /** All clients are one user, who is not read by anybody. */
  readonly oneUser?: boolean
  /** They write this instead of a handshake, and do not read what is answered. */
  readonly request?: string
  /** They begin handshakes and do not end them. */
  readonly halfOpen?: boolean
  /** The app is stopped meanwhile: whoever else has this app gets nothing either. */
  readonly stopsApp?: boolean
  /** How long they go on before the app is stopped, in milliseconds. */
  readonly stopsAppAfterMs?: number
  /** They do nothing unusual: none of them may lose its connection. */
  readonly harmless?: boolean
  /**
   * Bytes that the C allocator of a sidecar keeps afterwards and reuses, so that they are no leak: 89 to 106 MiB after 3,000
   * handshakes. Node alone keeps 85 MiB, and 14 MiB more after as many again.
   */
  readonly keptBytes?: number
  /** Of the program, without their prefix. */
  readonly settings?: Readonly<Record<string, string>>
  /** Goes on until it is aborted, or has done all there is to do. */
  run(clients: readonly Client[], signal: AbortSignal): Promise<unknown>
}

/** 500 frames of one byte, the first of a message that could be addressed. */
const FRAGMENTS = Buffer.concat([
  clientFrame(TEXT, Buffer.from('{'), false),
  ...Array.from({ length: 499 }, () => clientFrame(CONTINUATION, Buffer.from(' '), false)),
])

const addressed = (bytes: number, recipient: string) =>
  clientFrame(TEXT, Buffer.from(JSON.stringify({ recipientId: recipient, filling: 'x'.repeat(bytes - 60) })))

/** What costs a parser much: each as long as a message may be that is looked at, and as one that may pass. */
const hostileJson = () =>
  [MIB - 4096, 16 * MIB - 4096].flatMap(bytes =>
    [
      '[{},{},{}]',
      `${'['.repeat(30)}${']'.repeat(30)}`,
      '[1e308,-0.1,12345678901234567890]',
      '{"a":0,"b":1,"c":2}',
      String.raw`"\u0000\ud83d\ude00\n\\"`,
    ].map(part => {
      const parts = Array.from({ length: Math.floor((bytes - 60) / (part.length + 1)) }, () => part)
      return clientFrame(TEXT, Buffer.from(`{"a":[${parts.join()}],"recipientId":"nobody"}`))
    }),
  )

/** Messages that are written at once, each to somebody else. */
const FLOOD_MESSAGES = 500

const toOthers = (client: number, turn: number) =>
  Buffer.concat(
    Array.from({ length: FLOOD_MESSAGES }, (_, n) =>
      clientFrame(TEXT, Buffer.from(`{"recipientId":"u${client}-${turn}-${n}"}`)),
    ),
  )

const all = (clients: readonly Client[], what: (client: Client, n: number) => unknown) => Promise.all(clients.map(what))

/** Sends messages of 64 KiB as fast as the other end takes them. */
async function pour(client: Client, signal: AbortSignal): Promise<void> {
  const frame = clientFrame(BINARY, Buffer.alloc(65_536, 'p'))
  while (!signal.aborted && !client.closed) await client.write(frame)
}

/** A plain request. */
const REQUEST = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n'

export const ATTACKS: readonly Attack[] = [
  {
    name: 'idle',
    about: 'clients that do nothing',
    clients: { sidecar: 4000, balancer: 8000 },
    path: '/sink',
    run: async () => {},
  },
  {
    name: 'fragments',
    about: 'each client begins a message in 500 frames of one byte and does not end it',
    clients: { sidecar: 850, balancer: 2500 },
    path: '/sink',
    run: clients => all(clients, client => client.write(FRAGMENTS)),
  },
  {
    name: 'drips',
    about: 'each client sends one frame that is to be 16 MiB long, byte by byte',
    clients: { sidecar: 26, balancer: 60 },
    path: '/sink',
    async run(clients, signal) {
      await all(clients, client =>
        client.write(Buffer.concat([clientHeader(TEXT, 16 * MIB), Buffer.from('{"recipientId"')])),
      )
      while (!signal.aborted) {
        for (const client of clients) client.socket.write(' ')
        await sleep(0)
      }
    },
  },
  {
    name: 'large-messages',
    about: 'each client sends one addressed message of 16 MiB, all at once',
    clients: { sidecar: 5, balancer: 12 },
    path: '/sink',
    run: clients => all(clients, client => client.write(addressed(16 * MIB - 4096, 'nobody'))),
  },
  {
    name: 'hostile-json',
    about:
      'each client sends messages of 1 and 16 MiB of arrays of objects, nesting, numbers, keys and escapes, addressed at their ends',
    clients: { sidecar: 20, balancer: 20 },
    path: '/sink',
    async run(clients, signal) {
      const messages = hostileJson()
      await all(clients, async (client, n) => {
        for (let turn = n; !signal.aborted && !client.closed; turn++)
          await client.write(messages[turn % messages.length] as Buffer)
      })
    },
  },
  {
    name: 'addressed-flood',
    about: 'each client sends small messages to ever other users, as fast as they are taken',
    clients: { sidecar: 50, balancer: 50 },
    path: '/sink',
    async run(clients, signal) {
      await all(clients, async (client, n) => {
        for (let turn = 0; !signal.aborted && !client.closed; turn++) {
          await client.write(toOthers(n, turn))
          // A kernel that takes all at once would leave no turn of the event loop for the end of the attack.
          if (turn % 64 === 0) await nextTurn()
        }
      })
    },
  },
  {
    name: 'no-readers',
    about: 'the app floods clients that do not read',
    clients: { sidecar: 900, balancer: 1300 },
    path: '/flood',
    run: clients => all(clients, ({ socket }) => socket.pause()),
  },
  {
    name: 'fan-out',
    about: 'one client sends messages of 1 MiB to a user with 200 connections that do not read',
    clients: { sidecar: 200, balancer: 200 },
    path: '/sink',
    oneUser: true,
    settings: { DELIVER: 'client', ROUTE: 'inbound' },
    async run([sender, ...others], signal) {
      for (const { socket } of others) socket.pause()
      const frame = addressed(MIB - 4096, 'many')
      while (!signal.aborted && sender && !sender.closed) {
        await sender.write(frame)
        await sleep(100)
      }
    },
  },
  {
    name: 'stalled-app',
    about: 'the app stands still while clients send',
    clients: { sidecar: 700, balancer: 1300 },
    path: '/sink',
    stopsApp: true,
    run: (clients, signal) => all(clients, client => pour(client, signal)),
  },
  {
    name: 'app-stalls-later',
    about: 'the app stands still when clients have been sending for a second and the kernel takes them for fast ones',
    clients: { sidecar: 700, balancer: 1300 },
    path: '/sink',
    stopsApp: true,
    stopsAppAfterMs: 1000,
    run: (clients, signal) => all(clients, client => pour(client, signal)),
  },
  {
    name: 'quiet-clients',
    about: 'the app stands still while each client sends one message of 100 bytes',
    clients: { sidecar: 700, balancer: 1300 },
    path: '/sink',
    stopsApp: true,
    harmless: true,
    run: clients => all(clients, client => client.write(clientFrame(BINARY, Buffer.alloc(100, 'q')))),
  },
  {
    name: 'pipelined',
    about: 'each client sends plain requests by the thousand and waits for no answer',
    clients: { sidecar: 20, balancer: 20 },
    path: '/',
    request: REQUEST,
    async run(clients, signal) {
      const requests = Buffer.from(REQUEST.repeat(5000))
      await all(clients, async client => {
        while (!signal.aborted && !client.closed) await client.write(requests)
      })
    },
  },
  {
    name: 'downloads',
    about: 'each client asks for an endless answer to a plain request and does not read it',
    clients: { sidecar: 500, balancer: 500 },
    path: '/',
    request: 'GET /flood HTTP/1.1\r\nHost: x\r\n\r\n',
    run: async () => {},
  },
  {
    name: 'uploads',
    about: 'each client sends an endless body of a plain request, which the app does not read',
    clients: { sidecar: 500, balancer: 500 },
    path: '/',
    request: 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000000\r\n\r\n',
    // Their requests end with this time limit, whether they have left or not: the app takes no byte of them.
    settings: { PLAIN_HTTP_TIMEOUT_MS: '10000' },
    run: (clients, signal) => all(clients, client => pour(client, signal)),
  },
  {
    name: 'half-handshakes',
    about: 'each client sends 15 KiB of a handshake and does not end it',
    clients: { sidecar: 3000, balancer: 6000 },
    path: '/',
    keptBytes: 120 * MIB,
    halfOpen: true,
    run: async () => {},
  },
]

/** @throws where there is none of that name */
export function attackNamed(name: string): Attack {
  const attack = ATTACKS.find(known => known.name === name)
  if (!attack) throw new Error(`no attack is called ${name}: ${ATTACKS.map(known => known.name).join(', ')}`)
  return attack
}
