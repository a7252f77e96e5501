import type { BenchCase } from '../cases/case.ts'
import { CASES } from '../cases/cases.ts'
import type { Peer } from '../peers/peer.ts'
import { PEERS, REFERENCE } from '../peers/peers.ts'
import { GOALS, type Judgement, judge } from './goals.ts'
import type { Results } from './results.ts'
import { ratioOf, type Spread, spreadOf } from './stats.ts'
import { format, table } from './table.ts'

const NOTHING = '–'

/** All medians side by side, in parentheses the ratio to nginx in the same run. */
export function overview(cases: readonly BenchCase[], peers: readonly Peer[], results: Results): string {
  const rows = cases.flatMap(item =>
    item.figures
      .filter(({ compared }) => compared)
      .map(({ key, title }) => [
        `${item.title}: ${title}`,
        ...peers.map(({ name }) => {
          const { own, ratio } = figureOf(item, name, key, results)
          if (!own) return hasFailed(item, name, results) ? 'failed' : NOTHING
          return format(own.median) + (ratio && name !== REFERENCE ? ` (${format(ratio.median)})` : '')
        }),
      ]),
  )
  return table(['case', ...peers.map(({ title }) => title)], rows)
}

/** Everything about one case: a row for each peer, medians with least and greatest in parentheses, and what went wrong. */
export function details(item: BenchCase, peers: readonly Peer[], results: Results): string {
  const rows = peers
    .filter(({ name }) => results.has(item.name, name))
    .map(({ name, title }) => [
      title,
      ...item.figures.flatMap(({ key, compared }) => {
        const { own, ratio } = figureOf(item, name, key, results)
        return compared ? [withSpread(own), withSpread(ratio)] : [withSpread(own)]
      }),
      wrong(item, name, results),
    ])
  const head = item.figures.flatMap(({ title, compared }) => (compared ? [title, '× nginx'] : [title]))
  return table(['', ...head, 'wrong'], rows)
}

/** What we want, and what was measured. */
export function goals(results: Results): string {
  const judgements = GOALS.map(goal => judge(goal, results)).filter(judgement => judgement !== undefined)
  return judgements.length === 0 ? '' : table(['goal', 'wanted', 'stretch', 'measured', ''], judgements.map(goalRow))
}

function goalRow({ goal, measured, verdict }: Judgement): string[] {
  const item = CASES.find(({ name }) => name === goal.case)
  const figure = item?.figures.find(({ key }) => key === goal.figure)
  const peer = PEERS.find(({ name }) => name === goal.peer)
  const other = goal.relativeTo === goal.case || goal.relativeTo === undefined ? '' : ` in ${goal.relativeTo}`
  return [
    `${goal.case}, ${peer?.title}: ${figure?.title}`,
    `${goal.sense} ${format(goal.bound)}${goal.relativeTo === undefined ? '' : ` × nginx${other}`}`,
    goal.stretch === goal.bound ? NOTHING : format(goal.stretch),
    withSpread(measured),
    verdict,
  ]
}

function figureOf(item: BenchCase, peer: string, key: string, results: Results) {
  const series = results.series(item.name, peer, key)
  const reference = results.series(item.reference ?? item.name, REFERENCE, key)
  return { own: spreadOf(series.filter(value => value !== undefined)), ratio: ratioOf(series, reference) }
}

function withSpread(spread: Spread | undefined): string {
  return spread ? `${format(spread.median)} (${format(spread.min)} to ${format(spread.max)})` : NOTHING
}

const hasFailed = (item: BenchCase, peer: string, results: Results) => results.failures(item.name, peer).length > 0

/** 0, or how many of what. */
function wrong(item: BenchCase, peer: string, results: Results): string {
  const counts = Object.entries(results.errors(item.name, peer))
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`)
  const failed = results.failures(item.name, peer).length
  if (failed > 0) counts.push(`${failed} × failed`)
  return counts.join(', ') || '0'
}
