import t, { type Test } from 'tap'
import { type Guarded, MemoryGuard } from '../../../lib/bridge/memory-guard.ts'
import type { Side } from '../../../lib/bridge/socket/socket-handler.ts'
import { MemoryBudget } from '../../../lib/service/memory/budget.ts'
import { type SocketQueue, socketKey } from '../../../lib/service/memory/socket-queues.ts'
import { startApp } from '../../helpers/app.ts'
import { connect, refusal } from '../../helpers/client.ts'
import { startStack } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

const MIB = 1 << 20
const BUDGET = 64 * MIB

/** A connection whose sockets have this port at their other ends. */
class StandIn implements Guarded {
  state: Guarded['state'] = 'open'
  heldBytes = 0
  restrained: Readonly<Record<Side, number>>[] = []
  readonly #port: number
  readonly #evicted: () => void

  constructor(port: number, evicted: () => void) {
    this.#port = port
    this.#evicted = evicted
  }

  socket(side: Side) {
    return { localPort: side === 'client' ? 3000 : this.#port, remoteAddress: '10.0.0.1', remotePort: this.#port }
  }

  restrain(unsent: Readonly<Record<Side, number>>): void {
    this.restrained.push(unsent)
  }

  evict(): void {
    this.state = 'closing'
    this.#evicted()
  }
}

function start(t: Test, count: number) {
  const budget = new MemoryBudget(BUDGET)
  const kernel = { sockets: 0, queues: new Map<string, SocketQueue>() }
  const evicted: number[] = []
  const warnings: unknown[] = []
  const connections = Array.from({ length: count }, (_, n) => new StandIn(5000 + n, () => evicted.push(n)))
  const guard = new MemoryGuard({
    budget,
    maxQueueBytes: 262_144,
    connections: () => connections,
    processes: 1,
    read: () => ({ used: 0, sockets: kernel.sockets }),
    readQueues: () => kernel.queues,
    log: { warn: (...args: unknown[]) => void warnings.push(args) },
  })
  t.teardown(() => guard.stop())
  return { budget, kernel, evicted, warnings, connections, guard }
}

t.test('what passes makes it look; what the kernel holds is counted, and slow readers are held back', async t => {
  const { budget, kernel, connections, guard, evicted } = start(t, 2)
  guard.passed(1000)
  t.notOk(guard.tight)
  kernel.sockets = 10 * MIB
  kernel.queues.set(socketKey(3000, '10.0.0.1', 5001), { unsent: 9 * MIB, unread: 0 })
  guard.passed(16 * MIB)
  t.equal(budget.accounts.sockets.bytes, 10 * MIB)
  t.ok(guard.tight)
  t.strictSame(
    connections.map(({ restrained }) => restrained),
    [[{ client: 0, upstream: 0 }], [{ client: 9 * MIB, upstream: 0 }]],
  )
  t.equal(guard.queueLimit, 262_144, 'memory is not short')
  kernel.sockets = 0
  kernel.queues.clear()
  await waitFor(() => !guard.tight, 'it looks again by itself')
  t.strictSame(connections[1]?.restrained.at(-1), { client: 0, upstream: 0 }, 'and lets them go on')
  t.strictSame(evicted, [])
})

t.test('between two looks all that passes may be in the kernel: the limit falls with it', async t => {
  const { kernel, guard } = start(t, 1)
  kernel.sockets = 40 * MIB
  guard.passed(16 * MIB)
  const before = guard.queueLimit
  t.ok(before < 262_144)
  guard.passed(MIB)
  t.ok(guard.queueLimit < before)
})

t.test('while memory is short a client that pours is read only when its upstream has taken all', async t => {
  const { kernel, connections, guard } = start(t, 3)
  kernel.sockets = 10 * MIB
  for (const n of [1, 2]) kernel.queues.set(socketKey(5000 + n, '10.0.0.1', 5000 + n), { unsent: 5000, unread: 0 })
  kernel.queues.set(socketKey(3000, '10.0.0.1', 5000), { unsent: 0, unread: 65_536 })
  kernel.queues.set(socketKey(3000, '10.0.0.1', 5001), { unsent: 0, unread: 65_536 })
  kernel.queues.set(socketKey(3000, '10.0.0.1', 5002), { unsent: 0, unread: 5000 })
  guard.passed(16 * MIB)
  t.ok(guard.tight)
  t.strictSame(
    connections.map(({ restrained }) => restrained.at(-1)?.upstream),
    [0, Number.POSITIVE_INFINITY, 5000],
    'one whose upstream has taken all, one whose upstream has not, and one that sends little',
  )
})

t.test('while memory is short clients that pour are read in turns, and others always', async t => {
  const { kernel, connections, guard } = start(t, 40)
  const readNow = () => connections.flatMap(({ restrained }, n) => (restrained.at(-1)?.upstream === 0 ? [n] : []))
  for (let n = 0; n < 30; n++) kernel.queues.set(socketKey(3000, '10.0.0.1', 5000 + n), { unsent: 0, unread: 65_536 })
  kernel.sockets = BUDGET - 9.5 * MIB
  guard.passed(16 * MIB)
  const others = Array.from({ length: 10 }, (_, n) => 30 + n)
  t.strictSame(readNow(), [0, 1, 2, 3, 4, 5, 6, 7, 8, ...others], 'as many as what they send instead has room')
  const seen = new Set(readNow())
  await waitFor(() => {
    for (const n of readNow()) seen.add(n)
    return seen.size === connections.length
  }, 'each has its turn')
  t.ok(readNow().length < connections.length)
})

t.test('what was received counts with the memory that the kernel takes for it: small segments take more', async t => {
  const { kernel, evicted, connections, guard } = start(t, 400)
  for (const n of connections.keys())
    kernel.queues.set(socketKey(3000, '10.0.0.1', 5000 + n), { unsent: 0, unread: 32_768 })
  kernel.sockets = 400 * 32_768
  guard.passed(16 * MIB)
  t.strictSame(evicted, [], 'it is what it seems, which is little')
  kernel.sockets *= 4
  await waitFor(() => evicted.length > 300, 'they are closed like any others who send more than is taken')
})

t.test('the worst are closed when it is full, once, and it is said', async t => {
  const { budget, kernel, connections, guard, evicted, warnings } = start(t, 4)
  for (const [n, mib] of [1, 10, 5].entries()) (connections[n] as StandIn).heldBytes = mib * MIB
  guard.queues.change(16 * MIB)
  kernel.sockets = 48 * MIB
  kernel.queues.set(socketKey(5003, '10.0.0.1', 5003), { unsent: 20 * MIB, unread: 27 * MIB })
  guard.passed(16 * MIB)
  t.ok(guard.isFull)
  t.strictSame(evicted, [3], 'the one for which the kernel holds most')
  kernel.queues.clear()
  await waitFor(() => evicted.length === 4, 'it was not freed, so it goes on')
  t.strictSame(evicted, [3, 1, 2, 0])
  kernel.sockets = 0
  guard.queues.change(-16 * MIB)
  await waitFor(() => !guard.tight, 'it is free')
  t.equal(warnings.length, 1, 'the log is told once in a while')
  t.equal(budget.used, budget.accounts.unaccounted.bytes)
})

t.test(
  'hundreds are closed some in each turn, and are not read until theirs has come; then limits rise slowly',
  async t => {
    const { kernel, connections, evicted, guard } = start(t, 300)
    for (const connection of connections) connection.heldBytes = MIB
    kernel.sockets = 200 * MIB
    guard.passed(16 * MIB)
    t.equal(evicted.length, 64)
    t.equal(
      connections.filter(({ restrained }) => restrained.at(-1)?.client === Number.POSITIVE_INFINITY).length,
      152,
      'of all that will be, down to three quarters of the budget, nothing is read meanwhile',
    )
    guard.passed(16 * MIB)
    t.equal(evicted.length, 64, 'that is still being done')
    await new Promise(resolve => setImmediate(resolve))
    t.equal(evicted.length, 128)
    kernel.sockets = 0
    guard.queues.change(40 * MIB)
    await waitFor(() => evicted.length >= 152, 'all of them')
    const limits = new Set([guard.queueLimit])
    await waitFor(() => {
      limits.add(guard.queueLimit)
      return limits.size > 3
    }, 'limits rise')
    t.strictSame(
      [...limits],
      [...limits].sort((a, b) => a - b),
    )
  },
)

t.test('a client that does not read is closed when memory is full; another one has its echo all the while', async t => {
  // One for all: the app's memory is that of this process, and would count as the balancer's.
  const flood = Buffer.alloc(262_144)
  const app = await startApp(t, {
    onConnection: (socket, { url }) => {
      if (url !== '/flood') socket.on('message', (data: Buffer, binary: boolean) => socket.send(data, { binary }))
      else for (let n = 0; n < 200; n++) socket.send(flood)
    },
  })
  // One queue may take the whole budget, so it is the budget that ends it.
  const settings = { MAX_QUEUE_BYTES: 64 * MIB, MEMORY_BUDGET_BYTES: MIB, SLOW_CONSUMER_SECONDS: 0 }
  const { balancer } = await startStack(t, [app], { balancer: settings })
  const good = await connect(t, balancer.port, { user: 'good' })
  const bad = await connect(t, balancer.port, { user: 'bad', path: '/flood' })
  bad.socket.pause()
  await waitFor(async () => (await balancer.metric('closed_total', { cause: 'memory' })) === 1, 'it is closed')
  good.send('are you there')
  await waitFor(() => good.messages.length > 0, 'the other one is served')
  await waitFor(async () => (await balancer.metric('memory_used_bytes', { kind: 'queues' })) === 0, 'all is free again')
})

t.test('handshakes are refused while memory is full', async t => {
  const { balancer } = await startStack(t, [await startApp(t)], { balancer: { MEMORY_BUDGET_BYTES: 30_000 } })
  await connect(t, balancer.port, { user: 'a' })
  const refused = await refusal(t, balancer.port, { user: 'b' })
  t.equal(refused.status, 503)
  t.match(refused.body, /WSO_ERR_NO_MEMORY/)
  t.equal(await balancer.metric('rejected_total', { reason: 'no_memory' }), 1)
})
