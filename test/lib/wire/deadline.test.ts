import t from 'tap'
import { type Deadline, withDeadline } from '../../../lib/wire/deadline.ts'

t.test('work that is done in time', async t => {
  let seen: Deadline | undefined
  const work = async (deadline: Deadline) => {
    seen = deadline
    await null
    return 'done'
  }
  t.equal(await withDeadline(60_000, 'late', work), 'done')
  t.equal(seen?.aborted, false)
  t.equal(await withDeadline(60_000, 'late', () => 'at once'), 'at once')
})

t.test('work that fails', async t => {
  await t.rejects(
    withDeadline(60_000, 'late', () => Promise.reject(new Error('broken'))),
    /broken/,
  )
  await t.rejects(
    withDeadline(60_000, 'late', () => {
      throw new Error('at once')
    }),
    /at once/,
  )
})

t.test('work that takes too long is told so, once, and only if it still wants to know', async t => {
  const told: string[] = []
  let seen: Deadline | undefined
  const answer = await withDeadline(1, 'late', deadline => {
    const first = () => void told.push('first')
    deadline.addEventListener('abort', first)
    deadline.addEventListener('abort', () => void told.push('second'))
    deadline.removeEventListener('abort', first)
    t.notOk(deadline.aborted)
    seen = deadline
    return new Promise<string>(() => {})
  })
  t.equal(answer, 'late')
  t.same(told, ['second'])
  t.ok(seen?.aborted)
})

t.test('work that has an answer when it is told so is heard', async t => {
  const answer = await withDeadline<string>(1, 'late', deadline => {
    return new Promise(resolve => deadline.addEventListener('abort', () => resolve('as far as it came')))
  })
  t.equal(answer, 'as far as it came')
})
