import { mock } from 'node:test'
import t from 'tap'
import { deadlineIn, orLate } from '../../../sidecar/transport/deadline.ts'

// Deadlines alone keep no process alive.
const alive = setInterval(() => {}, 60_000)
t.teardown(() => clearInterval(alive))

t.test('workers are told, once, not before the time; not those who are done', async t => {
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  const told: string[] = []
  const deadline = deadlineIn(100)
  const worker = (name: string) => ({ handleEvent: () => void told.push(name) })
  const done = worker('done')
  deadline.addEventListener('abort', done)
  deadline.removeEventListener('abort', done)
  deadline.addEventListener('abort', worker('first'))
  mock.timers.tick(100)
  t.notOk(deadline.aborted)
  t.strictSame(told, [])
  mock.timers.tick(25)
  t.ok(deadline.aborted)
  mock.timers.tick(10_000)
  t.strictSame(told, ['first'])
})

t.test('what begins at about the same time, for as long, has the same; nothing else has', async t => {
  const one = deadlineIn(20_000)
  t.equal(deadlineIn(20_000), one)
  const other = deadlineIn(10_000)
  t.not(other, one)
  await new Promise(resolve => setTimeout(resolve, 60))
  t.not(deadlineIn(10_000), other)
})

t.test('one that is over is not given out again', async t => {
  for (let n = 0; n < 20; n++) {
    const deadline = deadlineIn(0)
    t.notOk(deadline.aborted)
    await new Promise<void>(resolve => deadline.addEventListener('abort', { handleEvent: resolve }))
  }
})

t.test('work that cannot be told: it is late, or was in time, or failed', async t => {
  const never = new Promise<string>(() => {})
  t.equal(await orLate(never, 'late', deadlineIn(1)), 'late')
  t.equal(await orLate(Promise.resolve('in time'), 'late', deadlineIn(60_000)), 'in time')
  await t.rejects(orLate(Promise.reject(new Error('broken')), 'late', deadlineIn(60_000)), /broken/)
})
