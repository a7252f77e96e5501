import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { parseCores } from '../../../bench/machine/machine.ts'
import {
  cpuSeconds,
  memoryOf,
  parseCpuTicks,
  parseSmapsRollup,
  parseWaitedMs,
  processTree,
  waitedMs,
} from '../../../bench/machine/proc.ts'

t.test('CPU time, also of a program whose name has spaces and parentheses', async t => {
  const stat = '7 (a) b (c) S 1 7 7 0 -1 4194560 1000 2000 0 0 150 25 4 1 20 0 1 0 100 1000 10'
  t.equal(parseCpuTicks(stat), 180)
})

t.test('memory', async t => {
  t.same(parseSmapsRollup('00400000-7fff [rollup]\nRss:      1764 kB\nPss:       353 kB\nPss_Anon:  1 kB\n'), {
    rss: 1764 * 1024,
    pss: 353 * 1024,
  })
})

t.test('time without a core', async t => {
  t.equal(parseWaitedMs('795259000 1500000 12\n'), 1.5)
})

t.test('lists of cores', async t => {
  t.same(parseCores('0'), [0])
  t.same(parseCores('1,4-6'), [1, 4, 5, 6])
})

const skip = process.platform === 'linux' ? false : 'needs /proc'

t.test('a process and its descendants, while they live', { skip }, async t => {
  const busy = 'while :; do :; done'
  const child = spawn('sh', ['-c', `sh -c '${busy}' & echo $!; ${busy}`], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pid = child.pid as number
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const grandchild = Number(String(line))
  t.same(processTree(pid), [pid, grandchild])
  t.ok(memoryOf([pid]).rss > memoryOf([grandchild]).rss, 'memory of both')
  const before = cpuSeconds([pid])
  // Both run for ever, so a time comes at which they have used more.
  while (cpuSeconds([pid]) - before < 0.05) await new Promise(resolve => setImmediate(resolve))
  t.pass('CPU time grows')
  t.ok(waitedMs([pid]) >= waitedMs([grandchild]), 'both have waited for a core, or one')
  process.kill(grandchild, 'SIGKILL')
  child.kill('SIGKILL')
  await once(child, 'close')
  t.same(processTree(pid), [pid])
  t.throws(() => cpuSeconds([pid]), /has ended/)
  t.throws(() => waitedMs([pid]), /has ended/)
  t.equal(cpuSeconds([]), 0)
})
