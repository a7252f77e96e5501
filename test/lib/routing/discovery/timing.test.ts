import t from 'tap'
import { Backoff, realTiming } from '../../../../lib/routing/discovery/timing.ts'
import { FakeTiming } from './fake-timing.ts'

const never = new AbortController().signal

t.test('the back-off doubles up to 30 s, is jittered, and starts over after a success', async t => {
  const timing = new FakeTiming({ endAtOnce: true })
  const backoff = new Backoff(timing)
  for (let i = 0; i < 9; i++) await backoff.wait(never)
  const expected = [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000].map(ms => ms * 0.75)
  t.strictSame(timing.sleeps, expected, 'with a random number of 0.5')
  backoff.reset()
  await backoff.wait(never)
  t.equal(timing.sleeps.at(-1), 187.5)
})

t.test('it waits between half and all of its limit', async t => {
  for (const [random, ms] of [
    [0, 125],
    [0.999, 249.875],
  ] as const) {
    const timing = Object.assign(new FakeTiming({ endAtOnce: true }), { random: () => random })
    await new Backoff(timing).wait(never)
    t.equal(timing.sleeps[0], ms)
  }
})

t.test('a real sleep ends when its signal is aborted, and leaves nothing behind', async t => {
  const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
  const before = timers()
  const abort = new AbortController()
  // Longer than a test may take.
  const sleep = realTiming.sleep(3_600_000, abort.signal)
  t.equal(timers(), before + 1)
  abort.abort()
  await sleep
  await realTiming.sleep(3_600_000, abort.signal)
  t.equal(timers(), before)
})

t.test('the real clock does not go back', async t => {
  const started = realTiming.now()
  t.ok(realTiming.now() >= started)
})
