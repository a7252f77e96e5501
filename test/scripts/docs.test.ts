import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { NATIVE_SINCE } from '../../hooks/annotations/annotations.ts'
import { stale, writeDocs } from '../../scripts/docs.ts'

const root = join(import.meta.dirname, '../..')
const script = join(root, 'scripts/docs.ts')

t.test('the generated files are what the code says', async t => {
  const { status, stderr } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8', timeout: 30_000 })
  t.equal(status, 0, stderr)
})

t.test('a missing or changed file is noticed, and written anew', async t => {
  const dir = t.testdir()
  t.equal((await stale(dir)).length, 8)
  t.equal((await writeDocs(dir)).length, 8)
  t.strictSame(await stale(dir), [])
  const page = join(dir, 'docs/annotations.md')
  writeFileSync(page, `${readFileSync(page, 'utf8')}by hand\n`)
  t.strictSame(await stale(dir), ['docs/annotations.md'])
  t.strictSame(await writeDocs(dir), ['docs/annotations.md'])
})

t.test('what is written by hand names the Kubernetes from which native sidecars are found', async t => {
  for (const page of ['README.md', 'docs/guides/install.md', 'docs/guides/operate.md', 'docs/annotations.md']) {
    const versions = readFileSync(join(root, page), 'utf8').match(/(?<=Kubernetes |before )1\.3[34]\b/g)
    t.strictSame([...new Set(versions)], [NATIVE_SINCE], page)
  }
})
