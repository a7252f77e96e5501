import t from 'tap'
import { gauge } from '../../../bench/soak/program.ts'
import { growth, leftovers, quarters, type Sample } from '../../../bench/soak/verdict.ts'

const MIB = 1_048_576

const idle: Sample = {
  rss: 100 * MIB,
  heap: 20 * MIB,
  external: 10 * MIB,
  files: 25,
  timers: 1,
  sockets: 0,
  connections: 0,
  users: 0,
  queueBytes: 0,
}

t.test('a quarter is its least value', async t => {
  t.strictSame(quarters([4, 1, 9, 2, 3, 3, 8, 7]), [1, 2, 3, 7])
  t.strictSame(quarters([1, 2, 3, 4]), [1, 2, 3, 4])
  t.strictSame(quarters([5, 4, 3, 2, 1, 6]), [4, 3, 1, 6], 'quarters need not be even')
})

t.test('what is left over names itself', async t => {
  t.strictSame(leftovers({ before: idle, after: idle }), [])
  t.strictSame(
    leftovers({ before: idle, after: { ...idle, files: 27, sockets: 2, timers: 2 } }),
    [],
    'kept connections',
  )
  t.match(leftovers({ before: idle, after: { ...idle, connections: 1 } }), [/^connections is 1 /])
  t.match(leftovers({ before: idle, after: { ...idle, users: 3, queueBytes: 9 } }), [
    /^users is 3 /,
    /^queueBytes is 9 /,
  ])
  t.match(leftovers({ before: idle, after: { ...idle, files: 60 } }), [/^60 files .* 25 before/])
  t.match(leftovers({ before: idle, after: { ...idle, timers: 9 } }), [/^9 timers /])
  t.match(leftovers({ before: idle, after: { ...idle, heap: 23 * MIB } }), [/^23\.0 MiB of heap .* 20\.0 MiB before/])
  t.match(leftovers({ before: idle, after: { ...idle, external: 12 * MIB } }), [/of external/])
})

t.test('resident memory may rise while it warms up, and not after', async t => {
  const during = (...mib: number[]) => mib.map(rss => ({ ...idle, rss: rss * MIB }))
  t.strictSame(growth(during(100, 200, 205, 200)), [])
  t.strictSame(growth(during(100, 200, 201, 290, 202, 202, 500, 203)), [], 'single samples are noise')
  t.match(growth(during(100, 200, 250, 300)), [/^RSS grows: 200\.0 MiB .* 300\.0 MiB/])
})

t.test('a gauge is read from the text of /metrics, summed over its labels', async t => {
  const text = `# HELP ws_operator_queue_bytes Bytes
# TYPE ws_operator_queue_bytes gauge
ws_operator_queue_bytes{side="client"} 5
ws_operator_queue_bytes{side="upstream"} 7
ws_operator_connections 12
ws_operator_connections_limit 99
`
  t.equal(gauge(text, 'queue_bytes'), 12)
  t.equal(gauge(text, 'connections'), 12)
  t.equal(gauge(text, 'users'), 0)
})
