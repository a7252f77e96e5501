import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import websocket from '@fastify/websocket'
import fastify from 'fastify'
import { ratioOf, type Spread, spreadOf } from '../report/stats.ts'

/** What it costs a process to answer a handshake, by who takes it, in CPU microseconds. */
const TAKERS = {
  'node:http, `upgrade` event': () => takeEvents(createServer()),
  'Fastify, `upgrade` event of its server': async () => {
    const app = fastify()
    app.get('/healthz', async () => 'ok')
    await app.ready()
    return takeEvents(app.server)
  },
  'Fastify, route of @fastify/websocket': async () => {
    const app = fastify()
    await app.register(websocket)
    app.route({
      method: 'GET',
      url: '/',
      handler: async () => '',
      wsHandler: socket => void socket.on('error', () => {}),
    })
    await app.ready()
    return app.server
  },
} as const

type Taker = keyof typeof TAKERS
const NAMES = Object.keys(TAKERS) as Taker[]

const REPETITIONS = 7
const WARM_UP = 2000
const HANDSHAKES = 4000
const AT_A_TIME = 16
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Answers handshakes with nothing but Node: the least that any of them can cost. */
function takeEvents(server: ReturnType<typeof createServer>) {
  return server.on('upgrade', ({ headers }: IncomingMessage, socket: Duplex) => {
    const accept = createHash('sha1').update(`${headers['sec-websocket-key']}${GUID}`).digest('base64')
    socket.on('error', () => {})
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
  })
}

/** The process that is measured: says its port, and its CPU time whenever it is asked. */
async function serve(name: Taker): Promise<void> {
  const server = await TAKERS[name]()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.(user + system)
  })
  process.on('disconnect', () => process.exit())
  process.send?.((server.address() as AddressInfo).port)
}

const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

/** @throws {Error} where the answer is no 101 */
async function handshake(port: number): Promise<void> {
  const socket: Socket = connect(port, '127.0.0.1')
  socket.write(HANDSHAKE)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.resetAndDestroy()
  if (!answer.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error(`not accepted: ${answer}`)
}

async function handshakes(port: number, count: number): Promise<void> {
  let left = count
  const lane = async () => {
    while (left-- > 0) await handshake(port)
  }
  await Promise.all(Array.from({ length: AT_A_TIME }, lane))
}

/** CPU microseconds of one handshake. */
async function measure(name: Taker): Promise<number> {
  const child = fork(import.meta.filename, [name])
  const ask = async () => {
    const answer = once(child, 'message')
    child.send('cpu')
    return ((await answer) as [number])[0]
  }
  try {
    const [port] = (await once(child, 'message')) as [number]
    await handshakes(port, WARM_UP)
    const before = await ask()
    await handshakes(port, HANDSHAKES)
    return ((await ask()) - before) / HANDSHAKES
  } finally {
    child.disconnect()
  }
}

/** Measures all of them in turns. @returns a Markdown table */
async function frameworkTable(): Promise<string> {
  const series = new Map<Taker, number[]>(NAMES.map(name => [name, []]))
  for (let n = 0; n < REPETITIONS; n++) for (const name of NAMES) series.get(name)?.push(await measure(name))
  const text = ({ median, min, max }: Spread, digits: number) =>
    `${median.toFixed(digits)} (${min.toFixed(digits)} to ${max.toFixed(digits)})`
  const rows = NAMES.map(name => {
    const values = series.get(name) ?? []
    const ratio = ratioOf(values, series.get(NAMES[0] as Taker) ?? [])
    return `| ${name} | ${text(spreadOf(values) as Spread, 0)} µs | ${text(ratio as Spread, 2)} |`
  })
  return ['| handshakes taken by | CPU of one | ratio |', '| --- | --- | --- |', ...rows].join('\n')
}

if (import.meta.main) {
  const [name] = process.argv.slice(2)
  if (name === undefined) console.log(await frameworkTable())
  else await serve(name as Taker)
}
