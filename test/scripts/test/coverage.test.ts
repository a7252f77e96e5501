import { join } from 'node:path'
import t from 'tap'
import { belowFloor, raised, readFloor, readSummary, writeFloor } from '../../../scripts/test/coverage.ts'

const floor = { lines: 90, branches: 80, functions: 85 }

t.test('what is below the floor is said, each kind by itself', async t => {
  t.same(belowFloor(floor, floor), [])
  t.same(belowFloor({ lines: 99, branches: 79.99, functions: 85 }, floor), [
    'coverage of branches is 79.99 %, below the floor of 80 %: test what you added',
  ])
  t.equal(belowFloor({ lines: 0, branches: 0, functions: 0 }, floor).length, 3)
})

t.test('the floor only rises', async t => {
  t.same(raised({ lines: 91.9, branches: 12, functions: 85.5 }, floor), { lines: 91, branches: 80, functions: 85 })
})

t.test('files', async t => {
  const summary = { total: { lines: { pct: 93.2 }, branches: { pct: 88 }, functions: { pct: 90.1 }, statements: {} } }
  const dir = t.testdir({ 'summary.json': JSON.stringify(summary), 'empty.json': '{"total":{}}' })
  t.same(readSummary(join(dir, 'summary.json')), { lines: 93.2, branches: 88, functions: 90.1 })
  t.same(readSummary(join(dir, 'empty.json')), { lines: 0, branches: 0, functions: 0 })
  writeFloor(join(dir, 'floor.json'), floor)
  t.same(readFloor(join(dir, 'floor.json')), floor)
})

t.test('the floor of this project can be read', async t => {
  const { lines, branches, functions } = readFloor(join(import.meta.dirname, '../../coverage-floor.json'))
  for (const percent of [lines, branches, functions]) t.ok(percent > 0 && percent <= 100, String(percent))
})
