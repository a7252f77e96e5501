import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { claim, longFirst, runsAlone } from '../../../scripts/test/claims.ts'

const root = join(import.meta.dirname, '../../..')

t.test('of several runs exactly one gets each file', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'ws-operator-claims-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const files = Array.from({ length: 200 }, (_, n) => `test/cluster/${n}.test.ts`)
  const program = `
    import { claim } from './scripts/test/claims.ts'
    for (const file of ${JSON.stringify(files)}) if (claim(${JSON.stringify(folder)}, file)) console.log(file)`
  const runs = [1, 2, 3].map(async () => {
    const run = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [said, [status]] = await Promise.all([text(run.stdout), once(run, 'close')])
    t.equal(status, 0)
    return said.split('\n').filter(Boolean)
  })
  t.same((await Promise.all(runs)).flat().sort(), [...files].sort())
})

t.test('a folder that is not there is no list that others have worked off', async t => {
  t.throws(() => claim('/nowhere/at/all', 'test/cluster/a.test.ts'), { code: 'ENOENT' })
})

t.test('long test files exist, and come first', async t => {
  const short = 'test/cluster/balancer.test.ts'
  const long = 'test/cluster/uninstall.test.ts'
  t.same(longFirst([short, long]), [long, short])
  t.same(longFirst([short]), [short], 'only what was given')
  for (const file of [short, long]) t.ok(existsSync(join(root, file)), file)
})

t.test('a file that needs the machine for itself exists', async t => {
  const files = globSync('test/cluster/**/*.test.ts', { cwd: root })
  t.same(files.filter(runsAlone), ['test/cluster/zero-loss.test.ts'])
})
