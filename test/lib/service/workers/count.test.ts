import { availableParallelism } from 'node:os'
import t from 'tap'
import { workerCount } from '../../../../lib/service/workers/count.ts'

const MIB = 1024 * 1024

t.test('what is asked for is what there is', async t => {
  t.equal(workerCount(1, { cores: 8, memory: 0 }), 1)
  t.equal(workerCount(6, { cores: 2, memory: 256 * MIB }), 6)
})

t.test('0: the cores, as far as the memory goes, and at least one', async t => {
  t.equal(workerCount(0, { cores: 8, memory: 0 }), 8, 'no limit of memory is known')
  t.equal(workerCount(0, { cores: 64, memory: 1024 * MIB }), 5, 'a container without a CPU limit on a large node')
  t.equal(workerCount(0, { cores: 2, memory: 512 * MIB }), 2)
  t.equal(workerCount(0, { cores: 8, memory: 64 * MIB }), 1)
  const here = workerCount(0)
  t.ok(here >= 1 && here <= availableParallelism(), `${here} here`)
})
