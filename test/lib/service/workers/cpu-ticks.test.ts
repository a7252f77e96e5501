import t from 'tap'
import { cpuTicks, parseCpuTicks } from '../../../../lib/service/workers/cpu-ticks.ts'
import { waitFor } from '../../../helpers/wait.ts'

const REST = 'S 1 2 3 0 -1 4194560 100 0 0 0 250 17 5 6 20 0 11 0 12345 1000 200'

t.test('user and system time of a process, whatever its name is', async t => {
  t.equal(parseCpuTicks(`42 (node) ${REST}\n`), 267)
  t.equal(parseCpuTicks(`42 (a) S 9 9 (b) ${REST}\n`), 267)
})

t.test('a text that is something else, and a process that is not there: not known', async t => {
  for (const text of ['', '42 (node)', `42 (node) ${REST.slice(0, 30)}`, 'no such file'])
    t.equal(parseCpuTicks(text), undefined)
  t.equal(cpuTicks(2 ** 30), undefined)
})

t.test('of a process that works it grows', { skip: process.platform !== 'linux' && 'there is no /proc' }, async t => {
  const before = cpuTicks(process.pid)
  t.type(before, 'number')
  await waitFor(() => cpuTicks(process.pid) !== before, 'it has grown')
  t.ok((cpuTicks(process.pid) ?? 0) > (before ?? 0))
})
