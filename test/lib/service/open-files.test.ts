import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { openFilesLimit } from '../../../lib/service/open-files.ts'

const source = join(import.meta.dirname, '..', '..', '..', 'lib', 'service', 'open-files.ts')

/** The limit as a process sees it that was started under `ulimit -n`. */
function limitUnder(limit: number): number {
  const script = `import(${JSON.stringify(source)}).then(m => console.log(m.openFilesLimit()))`
  const command = `ulimit -n ${limit} && exec "$0" -e '${script}'`
  return Number(execFileSync('sh', ['-c', command, process.execPath], { encoding: 'utf8' }))
}

t.test('the limit is that of the process itself', async t => {
  for (const limit of [200, 321]) t.equal(limitUnder(limit), limit)
  t.ok(openFilesLimit() > 0)
})
