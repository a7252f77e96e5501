import t from 'tap'
import { measureRouting, routingTable } from '../../../bench/compare/routing.ts'

t.test('every operation is measured with every number of members', async t => {
  const costs = measureRouting()
  const of = (operation: string) => costs.filter(cost => cost.operation === operation)
  const operations = new Set(costs.map(({ operation }) => operation))
  t.equal(operations.size, 5)
  for (const operation of operations) {
    t.strictSame(
      of(operation).map(({ members }) => members),
      [10, 100, 1000, 10_000],
      operation,
    )
    for (const { ns } of of(operation)) t.ok(0 < ns.min && ns.min <= ns.median && ns.median <= ns.max)
    t.ok(of(operation)[3]!.ns.min > of(operation)[0]!.ns.min, 'more members cost more')
  }
})

t.test('the table has a row for each operation, in units that can be read', async t => {
  const cost = (members: number, median: number) => ({
    operation: 'owner',
    members,
    ns: { median, min: median / 2, max: median * 2 },
  })
  t.strictSame(
    routingTable([cost(10, 100), cost(100, 1000), cost(1000, 54_321), cost(10_000, 2_000_000)])
      .split('\n')
      .at(-1),
    '| owner | 100 ns (50 ns to 200 ns) | 1 µs (500 ns to 2 µs) | 54 µs (27 µs to 110 µs) | 2 ms (1 ms to 4 ms) |',
  )
})
