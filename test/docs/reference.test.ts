import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ERRORS } from '../../lib/service/http/errors.ts'
import { METRIC_PREFIX } from '../../lib/service/names.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

t.test('every error has its row, with its status', async t => {
  const page = read('docs/errors.md')
  for (const { code, status } of Object.values(ERRORS)) t.match(page, `| ${status} | \`${code}\` |`, code)
})

t.test('every metric that a source registers has its row', async t => {
  const page = read('docs/metrics.md')
  const sources = globSync('{lib,sidecar,balancer,hooks}/**/*.ts', { cwd: root })
  const names = sources.flatMap(source =>
    [...read(source).matchAll(/\.(?:counter|gauge|histogram)(?:<[^>]*>)?\(\s*'([a-z_]+)'/g)].map(
      ([, name = '']) => name,
    ),
  )
  t.ok(names.length > 40, `${names.length} metrics`)
  for (const name of names) t.match(page, `| \`${METRIC_PREFIX}${name}\` |`, name)
})

t.test('every metric that a page names exists', async t => {
  const page = read('docs/metrics.md')
  const pages = globSync('docs/**/*.md', { cwd: root }).filter(path => path !== 'docs/metrics.md')
  const unknown = pages.flatMap(path =>
    [...read(path).matchAll(/\bws_operator_([a-z_]+[a-z])\b(?!…)/g)].flatMap(([name]) =>
      page.includes(`\`${name.replace(/_(bucket|sum|count)$/, '')}\``) ? [] : [`${path}: ${name}`],
    ),
  )
  t.strictSame(unknown, [])
})
