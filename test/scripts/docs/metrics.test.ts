import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { METRIC_PREFIX } from '../../../lib/service/names.ts'
import { metricsPage } from '../../../scripts/docs/metrics.ts'
import { rowsOf } from './table.ts'

const root = join(import.meta.dirname, '../../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const rows = rowsOf(await metricsPage())
const row = (name: string) => rows.find(([cell]) => cell === `\`${METRIC_PREFIX}${name}\``)

t.test('every metric that a source registers has one row', async t => {
  const sources = globSync('{lib,sidecar,balancer,hooks}/**/*.ts', { cwd: root })
  const names = sources.flatMap(source =>
    [...read(source).matchAll(/\.(?:counter|gauge|histogram)(?:<[^>]*>)?\(\s*'([a-z_]+)'/g)].map(
      ([, name = '']) => name,
    ),
  )
  t.ok(names.length > 40, `${names.length} metrics`)
  for (const name of names) t.equal(rows.filter(([cell]) => cell === `\`${METRIC_PREFIX}${name}\``).length, 1, name)
})

t.test('rows are sorted, and each says type and meaning', async t => {
  const names = rows.map(([name = '']) => name.slice(1, -1))
  t.strictSame(names, names.toSorted())
  for (const [name = '', type = '', , help] of rows) {
    t.ok(['counter', 'gauge', 'histogram'].includes(type), name)
    t.ok(help, name)
  }
})

t.test('a label has the values that exist from the start', async t => {
  t.equal(row('announcements_total')?.[2], '`result`: heard, failed, dropped')
  t.equal(row('closed_total')?.[2], '`cause`', 'values that come later are not told')
  t.equal(row('hook_requests_total')?.[2], '`hook`; `outcome`', 'several labels')
  t.equal(row('connections')?.[2], '', 'none')
})

t.test('a metric names each program that has it, once', async t => {
  const programs = (name: string) => row(name)?.[4]
  t.equal(programs('log_lines_dropped_total'), 'sidecar, balancer, hooks')
  t.equal(programs('members'), 'sidecar, balancer')
  t.equal(programs('links'), 'sidecar')
  t.equal(programs('hook_requests_total'), 'hooks')
  t.ok(
    rows.some(([name = '', , , , of]) => /workers?_/.test(name) && of === 'balancer'),
    'those of several workers too',
  )
})
