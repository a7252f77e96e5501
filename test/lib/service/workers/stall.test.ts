import t from 'tap'
import { CHECK_MS, nextSilence, type Silence, stallOf } from '../../../../lib/service/workers/stall.ts'

/** Checks without an answer until a worker is given up, and why; `cpuOf` is what it has used at each. */
function givenUp(cpuOf: (check: number) => number | undefined, listening = true) {
  let silence: Silence | undefined
  for (let check = 0; check < 1000; check++) {
    silence = nextSilence(silence, cpuOf(check))
    const stall = stallOf(silence, listening)
    if (stall) return { stall, ms: check * CHECK_MS }
  }
  return undefined
}

t.test('one that does nothing at all is stopped', async t => {
  t.strictSame(
    givenUp(() => 100),
    { stall: 'stopped', ms: 8000 },
  )
  t.strictSame(
    givenUp(() => 100, false),
    { stall: 'stopped', ms: 8000 },
    'also while it starts',
  )
})

t.test('one that is busy gets longer, one that is starting longest', async t => {
  t.strictSame(
    givenUp(check => check),
    { stall: 'stuck', ms: 30_000 },
  )
  t.strictSame(
    givenUp(check => check, false),
    { stall: 'stuck', ms: 120_000 },
  )
})

t.test('one that is stopped after it was busy is stopped from then on', async t => {
  t.strictSame(
    givenUp(check => Math.min(check, 5)),
    { stall: 'stopped', ms: 18_000 },
  )
  t.strictSame(
    givenUp(check => Math.floor(check / 3)),
    { stall: 'stuck', ms: 30_000 },
    'and one that is only slow is not',
  )
})

t.test('where CPU time is not known each may be busy', async t => {
  t.strictSame(
    givenUp(() => undefined),
    { stall: 'stuck', ms: 30_000 },
  )
})

t.test('an answer begins anew', async t => {
  let silence: Silence | undefined
  for (let check = 0; check < 4; check++) silence = nextSilence(silence, 100)
  t.match(silence, { checks: 3, idleChecks: 3 })
  t.strictSame(nextSilence(undefined, 100), { checks: 0, idleChecks: 0, cpuTicks: 100 })
})
