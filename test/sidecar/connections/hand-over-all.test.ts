import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { handOverAll } from '../../../sidecar/connections/hand-over-all.ts'
import type { Identity } from '../../../sidecar/connections/handshake-plan.ts'

type Connection = Bridge<Identity>

/** A pod's connections, when each was asked to move, in milliseconds from the beginning, and how those were closed that stayed. */
function pod(count: number, goesWhenAsked: number) {
  const asks = new Map<Connection, number[]>()
  const closes: unknown[][] = []
  const connections = new Set<Connection>()
  for (let n = 0; n < count; n++)
    connections.add({ close: (...how: unknown[]) => closes.push(how) } as unknown as Connection)
  const began = performance.now()
  const ask = (connection: Connection) => {
    const times = [...(asks.get(connection) ?? []), performance.now() - began]
    asks.set(connection, times)
    if (times.length === goesWhenAsked) connections.delete(connection)
  }
  const first = () => [...asks.values()].map(([time]) => time as number).sort((a, b) => a - b)
  return { options: { connections: () => connections, ask }, asks, closes, first }
}

/** How many were asked too early, if they are asked evenly in so many milliseconds. A step more may be due at each look. */
const early = (times: readonly number[], spanMs: number) =>
  times.filter((time, n) => time < spanMs && n >= Math.ceil((times.length * (time + 20)) / spanMs)).length

t.test('clients are asked at 500 a second, however much time there is, and again after 2 s', async t => {
  const { options, asks, closes, first } = pod(500, 2)
  t.equal(await handOverAll(options, Date.now() + 20_000), 0)
  t.equal(asks.size, 500)
  t.equal(early(first(), 1000), 0)
  const pauses = [...asks.values()].map(([one, two]) => (two as number) - (one as number))
  t.ok(Math.min(...pauses) >= 1900, `asked again after ${Math.min(...pauses)} ms`)
  t.strictSame(closes, [])
})

t.test('with little time all are asked in half of it; those that stay are closed when it is over', async t => {
  const { options, asks, closes, first } = pod(2000, Number.POSITIVE_INFINITY)
  const began = Date.now()
  t.equal(await handOverAll(options, began + 1000), 2000)
  t.ok(Date.now() - began >= 1000, 'not before')
  t.equal(asks.size, 2000)
  t.equal(early(first(), 400), 0)
  t.equal(closes.length, 2000)
  t.strictSame(new Set(closes.map(String)), new Set(['shutdown,1012,service restart']))
})

t.test('a pod without clients is done at once', async t => {
  const { options } = pod(0, 1)
  const began = Date.now()
  t.equal(await handOverAll(options, began + 20_000), 0)
  t.ok(Date.now() - began < 10_000)
})

for (const jump of [-3_600_000, 3_600_000])
  t.test(`a wall clock that is set by ${jump / 60_000} minutes meanwhile changes nothing`, async t => {
    const real = Date.now
    t.teardown(() => {
      Date.now = real
    })
    const { options, asks, closes } = pod(200, 1)
    const ask = (connection: Connection) => {
      options.ask(connection)
      Date.now = () => real() + jump
    }
    const done = handOverAll({ ...options, ask }, real() + 4000)
    const late = new AbortController()
    t.equal(await Promise.race([done, sleep(8000, 'it does not end', { signal: late.signal })]), 0)
    late.abort()
    t.strictSame([asks.size, closes], [200, []])
  })
