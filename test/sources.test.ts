import { globSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const root = join(import.meta.dirname, '..')

// Coverage knows only files that some test has loaded; so every source is loaded here, and none is forgotten.
t.test('every source file can be loaded, and loading starts nothing', async t => {
  const files = globSync('{hooks,sidecar,balancer,lib,local,scripts}/**/*.ts', { cwd: root }).sort()
  t.ok(files.length > 20, `${files.length} files`)
  const running = () =>
    process
      .getActiveResourcesInfo()
      .filter(kind => /Server|Timeout|Process|Worker/.test(kind))
      .sort()
  const before = running()
  for (const file of files) {
    const module = (await import(join(root, file))) as object
    t.type(module, 'object', file)
  }
  t.same(running(), before, 'no server, timer or process')
  t.equal(process.exitCode ?? 0, 0)
})
