import t, { type Test } from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { createLogger } from '../../../lib/service/log/log.ts'
import { ClientDrain } from '../../../sidecar/connections/client-drain.ts'
import type { Identity } from '../../../sidecar/connections/handshake-plan.ts'
import { startPod } from '../pod.ts'

type Connection = Bridge<Identity>

interface Clients {
  /** Clients that a balancer moves when it is asked, that it leaves, and that came without a balancer. */
  readonly moving?: number
  readonly staying?: number
  readonly direct?: number
}

/** A pod's clients, and what happens to them in order. */
async function start(t: Test, { moving = 0, staying = 0, direct = 0 }: Clients, limitMs = 60_000) {
  const { messaging } = await startPod(t)
  const events: string[] = []
  const lines: { level: string; closed: number }[] = []
  const bridges = new Set<Connection>()
  const add = (kind: string) => {
    const bridge = {
      context: { secret: kind === 'direct' ? undefined : Buffer.alloc(16), kind },
      close: (cause: string, code: number) => {
        events.push(`closed ${kind} ${cause} ${code}`)
        bridges.delete(bridge)
      },
    } as unknown as Connection
    bridges.add(bridge)
  }
  for (const [kind, count] of Object.entries({ moving, staying, direct })) for (let n = 0; n < count; n++) add(kind)
  const closeSenders = messaging.closeSenders.bind(messaging)
  messaging.closeSenders = () => {
    events.push('senders closed')
    closeSenders()
  }
  const drain = new ClientDrain({
    proxy: {
      bridges,
      refuse: () => void events.push('refused'),
      drain: async deadline => void events.push(`drained by ${deadline}`),
    },
    control: {
      drain: connection => {
        const { kind } = connection.context as unknown as { kind: string }
        events.push(`asked ${kind}`)
        if (kind === 'moving') bridges.delete(connection)
      },
    },
    messaging,
    limitMs,
    log: createLogger('sidecar', 'pod', 'debug', { write: line => void lines.push(JSON.parse(line)) }),
  })
  return { drain, events, lines, bridges, messaging }
}

t.test('a hand-over refuses new clients, has all moved, closes the rest, and tells the result', async t => {
  const { drain, events, bridges } = await start(t, { moving: 2, staying: 1, direct: 1 })
  t.equal(await drain.handOver(Date.now() + 200), '2 of 4 connections were handed over, 2 had to be closed')
  t.equal(bridges.size, 0)
  t.strictSame(events, [
    'refused',
    'asked moving',
    'asked moving',
    'asked staying',
    'asked direct',
    'closed staying shutdown 1012',
    'closed direct shutdown 1012',
    'senders closed',
  ])
})

t.test('a shutdown after a hand-over does not hand over again', async t => {
  const { drain, events } = await start(t, { moving: 1 })
  await drain.handOver(Date.now() + 60_000)
  events.length = 0
  await drain.drain(12_345)
  t.strictSame(events, ['drained by 12345'])
})

t.test('a shutdown without a hand-over moves the clients that a balancer can move', async t => {
  const { drain, events, lines, bridges } = await start(t, { moving: 1, direct: 1 })
  const deadline = Date.now() + 60_000
  await drain.drain(deadline)
  t.strictSame(events, ['refused', 'asked moving', 'senders closed', `drained by ${deadline}`])
  t.equal(bridges.size, 1, 'the proxy closes the one without a balancer')
  t.strictSame(lines, [])
})

t.test('clients that were not moved within the limit are closed and logged', async t => {
  const { drain, events, lines } = await start(t, { staying: 1 }, 100)
  const deadline = Date.now() + 60_000
  await drain.drain(deadline)
  t.strictSame(events.slice(-3), ['closed staying shutdown 1012', 'senders closed', `drained by ${deadline}`])
  t.match(lines, [{ level: 'warn', closed: 1 }])
})

t.test('the messages of moved clients get their outcome before the senders are closed', async t => {
  const { drain, events, messaging } = await start(t, { moving: 1 })
  const { promise, resolve } = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  messaging.router.settled = () => {
    asked.resolve()
    return promise
  }
  const handedOver = drain.handOver(Date.now() + 60_000)
  await asked.promise
  await new Promise(setImmediate)
  t.strictSame(events, ['refused', 'asked moving'])
  resolve()
  await handedOver
  t.strictSame(events, ['refused', 'asked moving', 'senders closed'])
})

t.test('it does not wait for messages beyond the deadline', async t => {
  const { drain, events, messaging } = await start(t, {})
  messaging.router.settled = () => new Promise(() => {})
  t.equal(await drain.handOver(Date.now()), '0 of 0 connections were handed over, 0 had to be closed')
  t.strictSame(events, ['refused', 'senders closed'])
})
