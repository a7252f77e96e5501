import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/architecture.md'), 'utf8')

t.test('every file and folder that the page names exists', async t => {
  const named = new Set(
    [
      ...page.matchAll(
        /\b(?:lib|sidecar|balancer|hooks|local|bench|scripts|test)(?:\/[a-z0-9-]+)+(?:\.test)?(?:\.ts)?/g,
      ),
    ].map(([path]) => path),
  )
  t.ok(named.size > 50, `${named.size} paths`)
  for (const path of named) t.ok(existsSync(join(root, path)), path)
})

t.test('the glossary is in alphabetical order, each term once', async t => {
  const terms = [...page.matchAll(/^\| \*\*([^*]+)\*\* \|/gm)].map(([, term = '']) => term.replace('-', ''))
  t.ok(terms.length > 50)
  t.strictSame(terms, [...new Set(terms)].sort())
})
