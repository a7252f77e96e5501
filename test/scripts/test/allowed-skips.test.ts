import { globSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readAllowedSkips, unlistedSkips } from '../../../scripts/test/allowed-skips.ts'

const root = join(import.meta.dirname, '../../..')

t.test('a skip is allowed where its test and its reason match one entry', async t => {
  const allowed = [
    { test: 'test/page.test.ts > *', reason: 'no Chromium: *' },
    { test: 'test/a.test.ts > in (some) [cases]', reason: '*' },
  ]
  const unlisted = (test: string, reason: string) => unlistedSkips([{ test, reason }], allowed).length
  t.equal(unlisted('test/page.test.ts > the page > loads', 'no Chromium: install it\nor name one'), 0)
  t.equal(unlisted('test/page.test.ts > the page', 'it is flaky'), 1)
  t.equal(unlisted('test/other.test.ts > the page', 'no Chromium: install it'), 1)
  t.equal(unlisted('test/a.test.ts > in (some) [cases]', ''), 0)
  t.equal(unlisted('test/a.test.ts > in some cases', ''), 1)
  t.equal(unlisted('test/aXtest.ts > in (some) [cases]', ''), 1)
})

t.test('each entry of the list names test files that exist', async t => {
  for (const { test, reason } of readAllowedSkips(join(root, 'test/allowed-skips.json'))) {
    const [file = ''] = test.split(' > ')
    const files = globSync(file.endsWith('*') ? `${file}*/*.test.ts` : file, { cwd: root })
    t.ok(files.length > 0, test)
    t.match(reason, /[a-z]{2}/, `${test}: has a reason`)
  }
})
