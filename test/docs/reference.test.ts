import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')

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
