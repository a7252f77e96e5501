import t from 'tap'
import { CASES } from '../../../bench/cases/cases.ts'
import { noErrors } from '../../../bench/load/job.ts'
import { PEERS } from '../../../bench/peers/peers.ts'
import { GOALS, type Goal, judge, verdictOf } from '../../../bench/report/goals.ts'
import { Results } from '../../../bench/report/results.ts'

const atLeast: Goal = {
  case: 'echo-1x128',
  peer: 'ours',
  figure: 'perCpuSecond',
  relativeTo: 'echo-1x128',
  sense: 'at least',
  bound: 0.5,
  stretch: 0.6,
}
const around = (median: number, spread: number) => ({ median, min: median - spread / 2, max: median + spread / 2 })

t.test('verdicts', async t => {
  t.equal(verdictOf(atLeast, around(0.6, 0)), 'stretch reached')
  t.equal(verdictOf(atLeast, around(0.5, 0.4)), 'reached')
  t.equal(verdictOf(atLeast, around(0.45, 0.1)), 'missed within the spread')
  t.equal(verdictOf(atLeast, around(0.45, 0.04)), 'missed')
  const atMost: Goal = { ...atLeast, sense: 'at most', bound: 1.5, stretch: 1 }
  t.equal(verdictOf(atMost, around(0.9, 0)), 'stretch reached')
  t.equal(verdictOf(atMost, around(1.5, 0)), 'reached')
  t.equal(verdictOf(atMost, around(1.6, 0)), 'missed')
  t.equal(verdictOf({ ...atLeast, stretch: 0.5 }, around(2, 0)), 'reached', 'no stretch')
})

t.test('a goal is judged by the ratio to nginx in the same run', async t => {
  const results = new Results()
  t.equal(judge(atLeast, results), undefined)
  results.add(0, 'echo-1x128', 'ours', { figures: { perCpuSecond: 30 }, errors: noErrors() })
  t.equal(judge(atLeast, results), undefined, 'without nginx')
  results.add(0, 'echo-1x128', 'nginx', { figures: { perCpuSecond: 40 }, errors: noErrors() })
  t.match(judge(atLeast, results), { measured: { median: 0.75 }, verdict: 'stretch reached' })
  t.match(judge({ ...atLeast, relativeTo: undefined }, results), { measured: { median: 30 } })
})

t.test('goals are about cases, figures and peers that exist', async t => {
  for (const goal of GOALS) {
    const item = CASES.find(({ name }) => name === goal.case)
    t.ok(
      item?.figures.some(({ key }) => key === goal.figure),
      `${goal.case} has ${goal.figure}`,
    )
    t.equal(PEERS.find(({ name }) => name === goal.peer)?.shape, item?.shape, `${goal.peer} takes part in it`)
    t.ok(goal.relativeTo === undefined || CASES.some(({ name }) => name === goal.relativeTo))
  }
})
