import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { fileSource } from '../../../../lib/routing/discovery/file.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { FakeTiming } from './fake-timing.ts'
import { record } from './recording-sink.ts'

const json = (...members: string[]) => JSON.stringify(members)

/** Sleeps end only by a hint of the file system, except the pause after one, which takes no time. */
class HintOnly extends FakeTiming {
  override async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms >= 1000) await super.sleep(ms, signal)
  }
}

function follow(t: Test, path: string, timing: FakeTiming = new HintOnly()) {
  const recorded = record(fileSource(path, timing))
  t.teardown(() => recorded.stop())
  return { ...recorded, timing, settled: () => waitFor(() => timing.asleep > 0, 'the source waits') }
}

t.test('members come from the file, again after each change', async t => {
  const folder = t.testdir({ 'members.json': json('a:1', 'b:1=2') })
  const path = join(folder, 'members.json')
  const { answers, failures, settled } = follow(t, path)
  await settled()
  t.strictSame(answers, ['a:1,b:1=2'])
  writeFileSync(path, json('c:1'))
  await waitFor(() => answers.at(-1) === 'c:1', 'the file was written again')
  t.strictSame(
    failures.filter(message => !/JSON/.test(message)),
    [],
    'at most a look at a file half written',
  )
})

t.test('a file may be replaced by renaming another over it', async t => {
  const folder = t.testdir({ 'members.json': json('a:1') })
  const path = join(folder, 'members.json')
  const { answers, failures, settled } = follow(t, path)
  await settled()
  for (const name of ['b:1', 'c:1', 'd:1']) {
    writeFileSync(join(folder, 'new'), json(name))
    renameSync(join(folder, 'new'), path)
    await waitFor(() => answers.at(-1) === name, name)
  }
  t.strictSame(failures, [])
})

t.test('a ConfigMap volume is followed through its links', async t => {
  const folder = t.testdir({ v1: { 'members.json': json('a:1') }, v2: { 'members.json': json('a:1', 'b:1') } })
  const path = join(folder, 'members.json')
  symlinkSync('v1', join(folder, '..data'))
  symlinkSync('..data/members.json', path)
  const { answers, failures, settled } = follow(t, path)
  await settled()
  // As the kubelet does it: a new link under another name, renamed over the old one, then the old folder goes.
  symlinkSync('v2', join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  rmSync(join(folder, 'v1'), { recursive: true })
  await waitFor(() => answers.at(-1) === 'a:1,b:1', 'the new version')
  t.strictSame(failures, [])
})

t.test('bad content is told once, with the file and what is wrong, and the next good one counts', async t => {
  const folder = t.testdir({ 'members.json': json('a:1') })
  const path = join(folder, 'members.json')
  const { answers, failures, settled } = follow(t, path)
  await settled()
  const write = (text: string) => {
    writeFileSync(join(folder, 'new'), text)
    renameSync(join(folder, 'new'), path)
  }
  for (const [text, reason] of [
    ['{', /JSON/],
    ['{"a":1}', /expected a JSON array/],
    ['["a:1", 7]', /item 1 is 7/],
    ['["a:1", "b"]', /bad member "b"/],
    ['["a:1", "a:1"]', /"a:1" occurs twice/],
    [`["${'x'.repeat(1_048_576)}"]`, /more than 1048576/],
  ] as const) {
    const before = failures.length
    write(text)
    await waitFor(() => failures.length > before, text.slice(0, 20))
    t.match(failures.at(-1), reason)
    t.ok(failures.at(-1)?.includes(path), 'the file is named')
  }
  write('["b:1"]')
  await waitFor(() => answers.at(-1) === 'b:1', 'the good one')
  t.strictSame(answers, ['a:1', 'b:1'])
  write('[]')
  await waitFor(() => answers.at(-1) === '', 'an empty array is told as such')
})

t.test('a file that does not exist yet is found when it comes', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'later', 'members.json')
  const { answers, failures, settled, timing } = follow(t, path)
  await settled()
  t.match(failures, [/ENOENT/])
  mkdirSync(join(folder, 'later'))
  writeFileSync(path, json('a:1'))
  // The folder was not there to be watched, so the regular look finds it.
  timing.wake()
  await waitFor(() => answers.at(-1) === 'a:1', 'the file')
  t.equal(failures.length, 1)
})

t.test('where the file system gives no hints, the file is looked at every 5 s', async t => {
  const folder = t.testdir({ 'members.json': json('a:1') })
  const path = join(folder, 'members.json')
  // This clock ignores hints.
  const timing = new FakeTiming()
  const deaf = { sleep: (ms: number) => timing.sleep(ms, new AbortController().signal), now: () => 0, random: () => 0 }
  const recorded = record(fileSource(path, deaf))
  await waitFor(() => timing.asleep > 0, 'the source waits')
  t.strictSame(timing.sleeps, [5000])
  writeFileSync(path, json('b:1'))
  await waitFor(() => {
    timing.wake()
    return recorded.answers.at(-1) === 'b:1'
  }, 'the change')
  const stopped = recorded.stop()
  const pump = setInterval(() => timing.wake(), 1)
  await stopped
  clearInterval(pump)
  t.equal(recorded.answers.length, 2)
})
