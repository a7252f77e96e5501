import { percentile } from '../../bench/report/stats.ts'
import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { type AppEvent, podOf, type Truth, userOf } from './events.ts'
import { push } from './excuses.ts'

/** How the connections whose owner changed got to their new pod after one change of members. */
export interface Move {
  /** Milliseconds of the clock. */
  readonly at: number
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** Connections whose owner changed, and that were not moved on by a later change before they arrived. */
  readonly moved: number
  readonly arrived: number
  /** Until 95 % of them were at their new pod; `undefined` where fewer arrived. */
  readonly p95Ms: number | undefined
}

/** @param apps in the order of time */
export function movesOf(truths: readonly Truth[], apps: readonly AppEvent[]): Move[] {
  const sets = truths.map(({ members }) => MemberSet.of([...members.keys()].map(parseMember)))
  const opens = new Map<string, { pod: string; at: number }[]>()
  for (const event of apps) {
    if (event.e === 'app-open' && !event.shadow) push(opens, event.c, { pod: podOf(event.link), at: event.at })
  }
  return truths.slice(1).map((truth, i) => {
    const [before, after] = [truths[i] as Truth, truth]
    const owner = (index: number, c: string) => {
      const name = sets[index]?.owner(userOf(c))?.name
      return name === undefined ? undefined : truths[index]?.members.get(name)
    }
    const times: number[] = []
    for (const [c, stays] of opens) {
      const target = owner(i + 1, c)
      if (target === owner(i, c) || (stays[0] as { at: number }).at > truth.at) continue
      // It may have gone there before: a pod that is asked to end says so by itself.
      const there = stays.find(stay => stay.pod === target && stay.at >= truth.at - 1000)
      const later = sets.findIndex((_, index) => index > i + 1 && owner(index, c) !== target)
      const until = later === -1 ? Infinity : (truths[later] as Truth).at
      if (there && there.at <= until) times.push(Math.max(0, there.at - truth.at))
      else if (until === Infinity) times.push(Infinity)
    }
    const sorted = Float64Array.from(times).sort()
    const p95Ms = sorted.length === 0 ? undefined : percentile(sorted, 0.95)
    return {
      at: truth.at,
      added: [...after.members.values()].filter(pod => ![...before.members.values()].includes(pod)),
      removed: [...before.members.values()].filter(pod => ![...after.members.values()].includes(pod)),
      moved: times.length,
      arrived: times.filter(Number.isFinite).length,
      p95Ms: p95Ms !== undefined && Number.isFinite(p95Ms) ? p95Ms : undefined,
    }
  })
}
