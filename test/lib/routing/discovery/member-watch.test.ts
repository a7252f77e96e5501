import { pino } from 'pino'
import t from 'tap'
import { MemberWatch } from '../../../../lib/routing/discovery/member-watch.ts'
import type { MemberSink, MemberSource } from '../../../../lib/routing/discovery/source.ts'
import { type MemberChange, parseMembers } from '../../../../lib/routing/members.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { FakeTiming } from './fake-timing.ts'

interface LogLine {
  level: string
  msg: string
  [field: string]: unknown
}

/** A watch whose source is the test, and what it logs and counts. */
function setUp() {
  let sink: MemberSink | undefined
  let stopped = false
  const source: MemberSource = (given, signal) => {
    sink = given
    return new Promise(resolve =>
      signal.addEventListener('abort', () => {
        stopped = true
        resolve()
      }),
    )
  }
  const lines: LogLine[] = []
  const log = pino(
    { level: 'debug', base: {}, formatters: { level: level => ({ level }) } },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  )
  const metrics = new Metrics()
  const timing = new FakeTiming()
  const watch = new MemberWatch(source, { source: 'test', log, metrics, graceMs: 5000, timing })
  const changes: MemberChange[] = []
  watch.onChange((_members, change) => changes.push(change))
  return {
    watch,
    timing,
    lines,
    metrics,
    changes,
    answer: (text: string, ...leaving: string[]) => sink?.answer(parseMembers(text), new Set(leaving)),
    /** Nobody is ready; these are there and not ready. */
    unready: (...names: string[]) => sink?.answer([], new Set(), new Set(names)),
    /** As a source does that cannot tell who leaves. */
    answerOnly: (text: string) => sink?.answer(parseMembers(text)),
    fail: (message: string) => sink?.failed(new Error(message)),
    isStopped: () => stopped,
    names: () => watch.members.members.map(({ name }) => name).join(),
  }
}

t.test('the start ends with the first answer', async t => {
  const { watch, answer, names } = setUp()
  const started = watch.start()
  t.equal(watch.synced, false)
  t.equal(watch.members.size, 0)
  answer('b:1,a:1')
  await started
  t.equal(watch.synced, true)
  t.equal(names(), 'a:1,b:1')
  await watch.stop()
})

t.test('the start ends with the first failure too, and a later answer still counts', async t => {
  const { watch, answer, fail, names } = setUp()
  const started = watch.start()
  fail('no route')
  await started
  t.equal(watch.synced, false)
  answer('a:1')
  t.equal(watch.synced, true)
  t.equal(names(), 'a:1')
  await watch.stop()
})

t.test(
  'an empty or failed answer does not empty a list that is known; it is logged once and counted each time',
  async t => {
    const { watch, answer, fail, names, lines, metrics, changes } = setUp()
    void watch.start()
    answer('a:1,b:1')
    lines.length = 0
    for (let i = 0; i < 3; i++) answer('')
    for (let i = 0; i < 2; i++) fail('API server: 503')
    t.equal(names(), 'a:1,b:1')
    t.equal(changes.length, 1)

    const warnings = lines.filter(({ level }) => level === 'warn')
    t.match(warnings, [
      { reason: 'empty', kept: 2, msg: /knows no member; the members known so far are kept/ },
      { reason: 'failed', kept: 2, msg: /API server: 503/ },
    ])
    t.equal(warnings.length, 2)
    const text = await metrics.registry.metrics()
    t.match(text, 'ws_operator_discovery_ignored_total{reason="empty"} 3')
    t.match(text, 'ws_operator_discovery_ignored_total{reason="failed"} 2')
    t.match(text, 'ws_operator_members 2')

    lines.length = 0
    answer('a:1,b:1')
    t.match(lines, [{ level: 'info', msg: 'discovery works again' }])
    t.equal(lines.length, 1)
    await watch.stop()
  },
)

t.test('a gauge says that the last answer named nobody, while the list that is known stays', async t => {
  const { watch, answer, fail, metrics } = setUp()
  const gauges = async () =>
    (await metrics.registry.metrics()).match(/(?<=^ws_operator_(?:members|discovery_empty) )\d+$/gm)?.join()
  void watch.start()
  t.equal(await gauges(), '0,1', 'no answer yet')
  fail('no route')
  t.equal(await gauges(), '0,1')
  answer('a:1,b:1')
  t.equal(await gauges(), '2,0')
  fail('API server: 503')
  t.equal(await gauges(), '2,0', 'a failure says nothing of the members')
  answer('', 'a:1,b:1')
  t.equal(await gauges(), '2,1', 'the app is scaled to zero')
  fail('API server: 503')
  t.equal(await gauges(), '2,1')
  answer('c:1')
  t.equal(await gauges(), '1,0')
  await watch.stop()
})

t.test('an empty first answer is an answer', async t => {
  const { watch, answer } = setUp()
  const started = watch.start()
  answer('')
  await started
  t.equal(watch.synced, true)
  t.equal(watch.members.size, 0)
  await watch.stop()
})

t.test('listeners hear of changes, and only of changes', async t => {
  const { watch, answer, changes } = setUp()
  void watch.start()
  const seen: number[] = []
  watch.onChange(() => {
    throw new Error('a bug in one listener')
  })
  const end = watch.onChange(members => seen.push(members.size))
  answer('a:1')
  answer('a:1')
  answer('a:1=2')
  answer('b:1,c:1')
  end()
  answer('c:1')
  t.strictSame(seen, [1, 1, 2], 'a failing listener does not keep it from the others')
  t.match(changes, [
    { added: [{ name: 'a:1' }] },
    { added: [], removed: [], changed: [{ name: 'a:1', weight: 2 }] },
    { added: [{ name: 'b:1' }, { name: 'c:1' }], removed: [{ name: 'a:1' }] },
    { removed: [{ name: 'b:1' }] },
  ])
  t.equal(changes.length, 4)
  await watch.stop()
})

t.test('those that leave are told once each, also where the members stay the same', async t => {
  const { watch, answer, changes, names } = setUp()
  void watch.start()
  answer('a:1,b:1,c:1')
  answer('a:1,b:1', 'c:1')
  t.strictSame([...watch.leaving], ['c:1'])
  answer('a:1,b:1', 'c:1')
  t.equal(changes.length, 2, 'no news')
  t.match(changes[1], { removed: [{ name: 'c:1' }], leaving: ['c:1'] })
  // One that was not ready when its end began.
  answer('a:1,b:1', 'c:1', 'd:1')
  t.strictSame(changes.slice(2), [{ added: [], removed: [], changed: [], leaving: ['d:1'] }])
  answer('a:1,b:1')
  t.equal(watch.leaving.size, 0)
  t.equal(changes.length, 3, 'that they have gone is no news: they were no members any more')
  t.equal(names(), 'a:1,b:1')
  await watch.stop()
})

t.test('listeners find the new members and those that leave when they are called', async t => {
  const { watch, answer } = setUp()
  void watch.start()
  answer('a:1,b:1')
  const seen: unknown[] = []
  watch.onChange(members => seen.push([members === watch.members, members.size, [...watch.leaving]]))
  answer('a:1', 'b:1')
  t.strictSame(seen, [[true, 1, ['b:1']]])
  await watch.stop()
})

t.test('when all leave at once they stay members, and leave; those that have gone are members no more', async t => {
  const { watch, answer, fail, changes, names, timing } = setUp()
  void watch.start()
  answer('a:1,b:1,c:1')
  answer('b:1,c:1', 'a:1')
  answer('', 'a:1', 'b:1', 'c:1')
  t.equal(names(), 'b:1,c:1')
  t.strictSame([...watch.leaving].sort(), ['a:1', 'b:1', 'c:1'])
  t.strictSame(changes.at(-1), { added: [], removed: [], changed: [], leaving: ['b:1', 'c:1'] })
  answer('', 'c:1')
  t.equal(names(), 'c:1')
  fail('no route')
  t.equal(names(), 'c:1')
  // Scaled to 0: there is no endpoint left, and the address may be anybody’s from now on.
  answer('')
  t.equal(names(), '')
  t.match(changes.at(-1), { removed: [{ name: 'c:1' }], leaving: [] })
  t.equal(watch.leaving.size, 0)
  t.strictSame(timing.sleeps, [], 'without waiting')
  // Scaled up again.
  answer('c:1')
  t.equal(names(), 'c:1')
  t.match(changes.at(-1), { added: [{ name: 'c:1' }] })
  await watch.stop()
})

t.test('members that are not listed at all any more go after a time in which nobody was named', async t => {
  const { watch, answer, timing, changes, names } = setUp()
  void watch.start()
  answer('a:1,b:1')
  answer('')
  answer('')
  t.strictSame(timing.sleeps, [5000])
  t.equal(names(), 'a:1,b:1')
  answer('a:1,b:1')
  answer('')
  t.strictSame(timing.sleeps, [5000, 5000], 'it begins anew')
  await waitFor(() => timing.asleep === 1, 'the first wait has ended for nothing')
  t.equal(names(), 'a:1,b:1')
  timing.wake()
  await waitFor(() => names() === '', 'the list is empty')
  t.match(changes.at(-1), { removed: [{ name: 'a:1' }, { name: 'b:1' }], leaving: [] })
  await watch.stop()
})

t.test('a failed answer ends that time: what was said before may be as wrong', async t => {
  const { watch, answer, fail, timing, names } = setUp()
  void watch.start()
  answer('a:1')
  answer('')
  fail('no route')
  await waitFor(() => timing.asleep === 0, 'nothing waits')
  t.equal(names(), 'a:1')
  answer('')
  timing.wake()
  await waitFor(() => names() === '', 'it is empty again, and stays so')
  await watch.stop()
})

t.test('pods that are there and not ready are kept for as long as they are', async t => {
  const { watch, answer, unready, timing, names } = setUp()
  void watch.start()
  answer('a:1,b:1')
  unready('a:1', 'b:1')
  t.strictSame(timing.sleeps, [], 'nothing waits')
  unready('a:1')
  timing.wake()
  await waitFor(() => names() === 'a:1', 'the other has gone')
  unready('a:1')
  t.equal(timing.asleep, 0)
  await watch.stop()
})

t.test('where the source cannot tell who leaves, all that is not listed goes after that time, and leaves', async t => {
  const { watch, answerOnly, timing, changes, names } = setUp()
  void watch.start()
  answerOnly('a:1')
  answerOnly('')
  t.equal(watch.leaving.size, 0)
  timing.wake()
  await waitFor(() => names() === '', 'the list is empty')
  t.match(changes.at(-1), { removed: [{ name: 'a:1' }], leaving: ['a:1'] })
  await watch.stop()
})

t.test('where the source cannot tell, whoever is not listed any more leaves, until listed again', async t => {
  const { watch, answerOnly, fail, changes, names } = setUp()
  void watch.start()
  answerOnly('a:1,b:1,c:1')
  t.equal(watch.leaving.size, 0)
  answerOnly('a:1,c:1')
  t.strictSame([...watch.leaving], ['b:1'])
  t.match(changes.at(-1), { removed: [{ name: 'b:1' }], leaving: ['b:1'] })
  answerOnly('a:1')
  t.match(changes.at(-1), { removed: [{ name: 'c:1' }], leaving: ['c:1'] }, 'told once')
  t.equal(changes.at(-1)?.leaving.length, 1)
  answerOnly('')
  fail('no route')
  t.equal(names(), 'a:1', 'who is kept does not leave')
  t.strictSame([...watch.leaving].sort(), ['b:1', 'c:1'])
  answerOnly('a:1,b:1')
  t.strictSame([...watch.leaving], ['c:1'])
  await watch.stop()
})

t.test('of those that are missing only so many are remembered', async t => {
  const { watch, answerOnly } = setUp()
  void watch.start()
  for (let n = 1; n <= 1500; n++) answerOnly(`a:${n}`)
  t.equal(watch.leaving.size, 1000)
  t.ok(watch.leaving.has('a:1499'), 'the latest')
  t.notOk(watch.leaving.has('a:1'))
  await watch.stop()
})

t.test('a name that left and is back is a member like any other, and can leave again', async t => {
  const { watch, answer, changes } = setUp()
  void watch.start()
  answer('a:1')
  answer('', 'a:1')
  answer('a:1')
  t.equal(watch.leaving.size, 0)
  t.equal(changes.length, 2)
  answer('', 'a:1')
  t.strictSame(changes.at(-1)?.leaving, ['a:1'])
  await watch.stop()
})

t.test('a member that is merely not ready is removed and does not leave', async t => {
  const { watch, answer, changes } = setUp()
  void watch.start()
  answer('a:1,b:1')
  answer('a:1')
  t.match(changes.at(-1), { removed: [{ name: 'b:1' }], leaving: [] })
  t.equal(watch.leaving.size, 0)
  await watch.stop()
})

t.test('nothing changes after the stop, and a start that waits for an answer ends', async t => {
  const { watch, answer, fail, isStopped, names, lines } = setUp()
  const started = watch.start()
  await watch.stop()
  await started
  t.ok(isStopped())
  lines.length = 0
  answer('a:1')
  fail('late')
  t.equal(names(), '')
  t.strictSame(lines, [])
})
