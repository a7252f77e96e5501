import t from 'tap'
import { MoveQueue } from '../../../balancer/rehome/move-queue.ts'
import { waitFor } from '../../helpers/wait.ts'

function onError(error: unknown): never {
  throw error
}

t.test('not more at a time than that, in the order in which they came', async t => {
  const queue = new MoveQueue<number>({ concurrency: 3, perSecond: Number.POSITIVE_INFINITY, onError })
  const begun: number[] = []
  const ends: (() => void)[] = []
  for (let n = 0; n < 10; n++) {
    queue.add(n, () => {
      begun.push(n)
      return new Promise<void>(resolve => ends.push(resolve))
    })
  }
  t.strictSame(begun, [0, 1, 2])
  t.equal(queue.size, 10)
  for (let n = 0; n < 10; n++) {
    await waitFor(() => ends.length > 0, 'one runs')
    ends.shift()?.()
  }
  await waitFor(() => queue.size === 0, 'all are done')
  t.strictSame(
    begun,
    Array.from({ length: 10 }, (_, n) => n),
  )
})

t.test('not more in a second than that', async t => {
  const queue = new MoveQueue<number>({ concurrency: 100, perSecond: 200, onError })
  const begun: number[] = []
  for (let n = 0; n < 60; n++) queue.add(n, async () => void begun.push(performance.now()))
  await waitFor(() => begun.length === 60, 'all have begun')
  const took = (begun.at(-1) as number) - (begun[0] as number)
  // 60 at 200 a second, less what may begin at once.
  t.ok(took > 200, `${took} ms`)
  queue.clear()
})

t.test('what waits can be replaced, taken back, or all of it dropped', async t => {
  const queue = new MoveQueue<string>({ concurrency: 1, perSecond: Number.POSITIVE_INFINITY, onError })
  const done: string[] = []
  let end: () => void = () => {}
  queue.add('a', () => new Promise<void>(resolve => (end = resolve)))
  queue.add('b', async () => void done.push('b, first'))
  queue.add('c', async () => void done.push('c'))
  queue.add('b', async () => void done.push('b, second'))
  queue.delete('c')
  end()
  await waitFor(() => queue.size === 0, 'all are done')
  t.strictSame(done, ['b, second'])
  queue.add('d', () => new Promise<void>(resolve => (end = resolve)))
  queue.add('e', async () => void done.push('e'))
  queue.clear()
  end()
  await waitFor(() => queue.size === 0, 'all are done')
  t.strictSame(done, ['b, second'])
})

t.test('what has waited until its time is up begins, however much is under way', async t => {
  const queue = new MoveQueue<string>({ concurrency: 1, perSecond: 1, onError })
  const begun: string[] = []
  let end: () => void = () => {}
  queue.add('a', () => new Promise<void>(resolve => (end = resolve)))
  const work = (name: string) => async () => void begun.push(name)
  const latest = performance.now() + 200
  queue.add('b', work('b'))
  queue.add('c', work('c'), latest)
  queue.add('d', work('d'), latest)
  queue.delete('d')
  await waitFor(() => begun.length > 0, 'one begins')
  t.ok(performance.now() >= latest)
  t.strictSame(begun, ['c'])
  end()
  await waitFor(() => queue.size === 0, 'the other has its turn')
  t.strictSame(begun, ['c', 'b'])
})

t.test('what fails, at once or later, keeps nothing else from its turn', async t => {
  const errors: unknown[] = []
  const queue = new MoveQueue<string>({
    concurrency: 1,
    perSecond: Number.POSITIVE_INFINITY,
    onError: error => errors.push(error),
  })
  const done: string[] = []
  queue.add('a', async () => Promise.reject(new Error('later')))
  queue.add('b', () => {
    throw new Error('at once')
  })
  queue.add('c', async () => void done.push('c'))
  await waitFor(() => queue.size === 0, 'all are done')
  t.strictSame(done, ['c'])
  t.match(errors, [{ message: 'later' }, { message: 'at once' }])
})
