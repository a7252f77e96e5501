import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import t from 'tap'
import { ClientConnections, type Shed } from '../../../../lib/service/http/client-connections.ts'
import { waitFor } from '../../../helpers/wait.ts'

/** As much of a socket as is needed. */
class FakeSocket extends EventEmitter {
  destroyed = false
  destroy() {
    this.destroyed = true
    this.emit('close')
  }
}

function make(soft: number, hard = 100, requests = 100) {
  let now = 0
  const shed: Shed[] = []
  const connections = new ClientConnections(
    { soft, hard: () => hard, requests },
    reason => shed.push(reason),
    () => now,
  )
  const accept = () => {
    const socket = new FakeSocket() as unknown as Socket
    connections.accepted(socket)
    return socket
  }
  return { connections, accept, shed, pass: (ms: number) => (now += ms) }
}

t.test(
  'above the soft limit those end that have been idle for longest, and not those that came a moment ago',
  async t => {
    const { connections, accept, shed, pass } = make(3)
    const [first, busy, second] = [accept(), accept(), accept()]
    connections.begin(busy)
    const burst = accept()
    t.notOk(first.destroyed, 'each may be about to send its first request')
    pass(1000)
    const [later, last] = [accept(), accept()]
    t.strictSame(
      [first, busy, second, burst, later, last].map(({ destroyed }) => destroyed),
      [true, false, true, true, false, false],
    )
    t.strictSame(shed, ['idle', 'idle', 'idle'])
    t.strictSame([connections.size, connections.busy], [3, 1])
  },
)

t.test('above the hard limit any idle one ends, and a new one is not taken where none is idle', async t => {
  const { connections, accept, shed } = make(3, 3)
  const sockets = [accept(), accept(), accept()]
  const fourth = accept()
  t.ok(sockets[0]?.destroyed)
  for (const socket of [sockets[1], sockets[2], fourth]) connections.begin(socket as Socket)
  t.ok(accept().destroyed)
  t.strictSame(shed, ['idle', 'full'])
})

t.test('requests are counted for each connection, and one is idle again when its last has been answered', async t => {
  const { connections, accept, pass } = make(1)
  const socket = accept()
  connections.begin(socket)
  connections.begin(socket)
  t.equal(connections.requests(socket), 2)
  connections.end(socket)
  pass(5000)
  accept()
  t.notOk(socket.destroyed, 'the second has no answer yet')
  connections.end(socket)
  t.equal(connections.requests(socket), 0)
  pass(5000)
  accept()
  t.ok(socket.destroyed)
  t.equal(connections.busy, 0)
  connections.end(socket)
  t.equal(connections.busy, 0, 'an answer that comes to nothing any more')
})

t.test('requests ahead of their answers: so many on one connection, none where all together are many', async t => {
  const { connections, accept, shed } = make(100, 100, 20)
  const [eager, other] = [accept(), accept()]
  for (let n = 0; n < 16; n++) t.ok(connections.begin(eager))
  t.equal(connections.busy, 16, 'each counts')
  t.notOk(connections.begin(eager))
  t.ok(eager.destroyed)
  t.notOk(connections.begin(eager), 'the rest of the same chunk')
  t.equal(connections.busy, 0, 'all of them are done with')
  for (let n = 0; n < 15; n++) connections.begin(other)
  const last = accept()
  for (let n = 0; n < 5; n++) t.ok(connections.begin(last))
  const first = accept()
  t.ok(connections.begin(first), 'the first of a connection is refused by an answer')
  t.notOk(connections.begin(last))
  t.ok(last.destroyed)
  t.strictSame(shed, ['pipelined', 'pipelined'])
})

t.test('one that becomes a WebSocket is not spared from the count until it is forgotten, and never ended', async t => {
  const { connections, accept, pass } = make(1)
  const [taken, refused] = [accept(), accept()]
  connections.upgraded(taken)
  connections.upgraded(refused)
  pass(5000)
  accept()
  t.strictSame([taken.destroyed, refused.destroyed], [false, false])
  t.equal(connections.size, 3)
  connections.forget(taken)
  connections.refused(refused)
  t.equal(connections.size, 2)
  pass(5000)
  accept()
  t.strictSame([taken.destroyed, refused.destroyed], [false, true])
})

t.test('a client that leaves ends all its requests, also those whose answers wait behind another', async t => {
  const { connections } = make(100)
  const closed: string[] = []
  const server = createServer((request, response) => {
    response.once('close', () => closed.push(request.url ?? ''))
    if (request.url === '/3') client.destroy()
  })
  connections.attach(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => server.close())
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  for (const n of [1, 2, 3]) client.write(`GET /${n} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await waitFor(() => closed.length === 3, 'each has ended')
  t.strictSame(closed, ['/1', '/2', '/3'])
  t.equal(connections.busy, 0)
})
