import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { closedLoop } from '../../../bench/load/closed.ts'
import { handshakes } from '../../../bench/load/handshakes.ts'
import { type Errors, noErrors, type Report } from '../../../bench/load/job.ts'
import { openLoop } from '../../../bench/load/open.ts'

/** A server that does with the message of this number whatever a bad proxy would. */
async function serve(t: Tap, answer: (socket: WebSocket, data: Buffer, number: number) => void): Promise<number> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  server.on('connection', socket => {
    let number = 0
    socket.on('message', (data: Buffer) => answer(socket, data, number++))
  })
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    return new Promise(resolve => server.close(resolve))
  })
  return (server.address() as AddressInfo).port
}

type Tap = { teardown(action: () => unknown): void }

const echo = (socket: WebSocket, data: Buffer) => socket.send(String(data))
const job = { bytes: 128, pids: [], warmupMs: 0, measureMs: 200 }
const clients = (port: number) => [{ user: 'user-1', port }]
const closed = (port: number) => closedLoop({ ...job, kind: 'closed', clients: clients(port), inFlight: 4 })

const cases: [string, Partial<Errors>, Parameters<typeof serve>[1]][] = [
  ['nothing', {}, echo],
  ['lost', { lost: 1 }, (socket, data, n) => n !== 5 && echo(socket, data)],
  [
    'doubled',
    { doubled: 1 },
    (socket, data, n) => {
      echo(socket, data)
      if (n === 5) echo(socket, data)
    },
  ],
  ['corrupt', { corrupt: 1, lost: 1 }, (socket, data, n) => socket.send(n === 5 ? 'other' : String(data))],
  ['binary', { corrupt: 1, lost: 1 }, (socket, data, n) => socket.send(data, { binary: n === 5 })],
]

for (const [name, wrong, answer] of cases) {
  t.test(`told by the closed loop: ${name}`, async t => {
    const { figures, errors } = await closed(await serve(t, answer))
    t.same(errors, { ...noErrors(), ...wrong })
    t.ok(figures['perSecond']! > 0)
    t.notOk('perCpuSecond' in figures, 'no process was measured')
  })
}

t.test('told by the closed loop: reordered', async t => {
  let kept: Buffer | undefined
  const port = await serve(t, (socket, data, n) => {
    if (n === 1) kept = data
    else echo(socket, data)
    if (n === 2 && kept) echo(socket, kept)
  })
  t.same((await closed(port)).errors, { ...noErrors(), reordered: 1 })
})

t.test('told by the closed loop: cut', async t => {
  const port = await serve(t, (socket, data, n) => (n === 5 ? socket.terminate() : echo(socket, data)))
  t.match((await closed(port)).errors, { cut: 1 })
})

t.test('the open loop keeps its rate and measures times', async t => {
  const port = await serve(t, echo)
  const report: Report = await openLoop({ ...job, kind: 'open', clients: clients(port), perSecond: 1000 })
  t.same(report.errors, noErrors())
  t.ok(report.figures['p50']! > 0)
  t.ok(report.figures['p99']! >= report.figures['p50']!)
  t.ok(report.figures['calmShare']! >= 0 && report.figures['calmShare']! <= 1)
})

t.test('handshakes are counted, and so are connections that are cut', async t => {
  const good = await serve(t, echo)
  const report = await handshakes({ ...job, kind: 'handshakes', clients: clients(good) })
  t.same(report.errors, noErrors())
  t.ok(report.figures['perSecond']! > 0)
  let connections = 0
  const bad = await serve(t, (socket, data) => (connections++ === 0 ? socket.terminate() : echo(socket, data)))
  t.match((await handshakes({ ...job, kind: 'handshakes', clients: clients(bad) })).errors, { cut: 1 })
})
