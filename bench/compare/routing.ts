import { createMember, type Member } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { type Spread, spreadOf } from '../report/stats.ts'

/** How long one call takes, in nanoseconds. */
export interface RoutingCost {
  readonly operation: string
  readonly members: number
  readonly ns: Spread
}

const SIZES = [10, 100, 1000, 10_000]
const REPETITIONS = 15
/** Long enough for the clock, short enough to fall between two slices of other programs now and then. */
const REPETITION_NS = 5e6
const KEYS = Array.from({ length: 1024 }, (_, i) => `user-${i}`)

/** Somewhere for results to go, so that no call can be left out as useless. */
let sink: unknown

/** What it costs to find the owner of a user, and to take over a change of the members, by the number of members. */
export function measureRouting(): RoutingCost[] {
  return SIZES.flatMap(size => {
    const members = pods(size, 1)
    const equal = MemberSet.of(members)
    const weighted = MemberSet.of(pods(size, 4))
    const replaced = [...members.slice(1), createMember('10.255.0.1', 3000)]
    const operations: Record<string, (key: string) => unknown> = {
      'owner, equal weights': key => equal.owner(key),
      'owner, four weights': key => weighted.owner(key),
      'rank, whole order': key => equal.rank(key),
      'set from nothing': () => MemberSet.of(members),
      'set after one replaced': () => MemberSet.of(replaced, equal),
    }
    return Object.entries(operations).map(([operation, call]) => ({ operation, members: size, ns: nsPerCall(call) }))
  })
}

function pods(size: number, weights: number): Member[] {
  return Array.from({ length: size }, (_, i) => createMember(`10.${i >> 8}.7.${i & 255}`, 3000, 1 + (i % weights)))
}

function nsPerCall(call: (key: string) => unknown): Spread {
  let calls = 1
  // Also warms up: doubled until one repetition is long enough.
  while (run(call, calls) * calls < REPETITION_NS) calls *= 2
  return spreadOf(Array.from({ length: REPETITIONS }, () => run(call, calls)))!
}

function run(call: (key: string) => unknown, calls: number): number {
  const start = process.hrtime.bigint()
  for (let i = 0; i < calls; i++) sink = call(KEYS[i & 1023]!)
  return Number(process.hrtime.bigint() - start) / calls
}

/** A Markdown table: one row for each operation, one column for each number of members; least and greatest in brackets. */
export function routingTable(costs: readonly RoutingCost[]): string {
  const operations = [...new Set(costs.map(({ operation }) => operation))]
  const cell = ({ ns }: RoutingCost) => `${duration(ns.median)} (${duration(ns.min)} to ${duration(ns.max)})`
  const rows = operations.map(operation => [operation, ...costs.filter(cost => cost.operation === operation).map(cell)])
  return [['median of a call', ...SIZES.map(size => `${size} members`)], Array(SIZES.length + 1).fill('---'), ...rows]
    .map(row => `| ${row.join(' | ')} |`)
    .join('\n')
}

function duration(ns: number): string {
  const [value, unit] = ns < 1e3 ? [ns, 'ns'] : ns < 1e6 ? [ns / 1e3, 'µs'] : [ns / 1e6, 'ms']
  return `${Number(value.toPrecision(2))} ${unit}`
}

if (import.meta.main) {
  console.log(routingTable(measureRouting()))
  if (sink === undefined) process.exitCode = 1
}
