import t from 'tap'
import { ConditionWaiters } from '../../../lib/bridge/condition-waiters.ts'

const HOUR_MS = 3_600_000

/** Whether a promise has resolved by now. */
async function isDone(promise: Promise<void>): Promise<boolean> {
  let done = false
  void promise.then(() => {
    done = true
  })
  await new Promise(resolve => setImmediate(resolve))
  return done
}

const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length

t.test('a condition that holds already is not waited for, and costs no timer', async t => {
  const before = timers()
  const waiters = new ConditionWaiters()
  t.ok(await isDone(waiters.until(() => true, HOUR_MS)))
  t.equal(timers(), before)
})

t.test('a task goes on at the first wake-up at which its condition holds, and its timer is gone', async t => {
  const before = timers()
  const waiters = new ConditionWaiters()
  let value = 0
  const task = waiters.until(() => value === 2, HOUR_MS)
  value = 1
  waiters.wakeUp()
  t.notOk(await isDone(task))
  value = 2
  t.notOk(await isDone(task), 'nobody has said that something changed')
  waiters.wakeUp()
  t.ok(await isDone(task))
  t.equal(timers(), before)
})

t.test('each of several tasks waits for its own condition', async t => {
  const waiters = new ConditionWaiters()
  const reached = new Set<string>()
  const tasks = ['a', 'b', 'c'].map(name => waiters.until(() => reached.has(name), HOUR_MS))
  reached.add('b')
  waiters.wakeUp()
  t.strictSame(await Promise.all(tasks.map(isDone)), [false, true, false])
  reached.add('a').add('c')
  waiters.wakeUp()
  t.strictSame(await Promise.all(tasks.map(isDone)), [true, true, true])
})

t.test('a condition is not evaluated again once its task has gone on', async t => {
  const waiters = new ConditionWaiters()
  let looks = 0
  let holds = false
  const task = waiters.until(() => {
    looks++
    return holds
  }, HOUR_MS)
  holds = true
  waiters.wakeUp()
  await task
  const after = looks
  waiters.wakeUp()
  t.equal(looks, after)
})

t.test('a task whose condition never holds goes on after its time, and is forgotten', async t => {
  const waiters = new ConditionWaiters()
  let looks = 0
  await waiters.until(() => {
    looks++
    return false
  }, 1)
  const after = looks
  waiters.wakeUp()
  t.equal(looks, after)
})

t.test('a condition that starts another wait, while all are woken, disturbs none of them', async t => {
  const waiters = new ConditionWaiters()
  let woken = false
  let inner: Promise<void> | undefined
  const outer = waiters.until(() => {
    if (woken) inner ??= waiters.until(() => true, HOUR_MS)
    return woken
  }, HOUR_MS)
  const other = waiters.until(() => woken, HOUR_MS)
  woken = true
  waiters.wakeUp()
  await Promise.all([outer, other, inner])
  t.ok(inner)
})
