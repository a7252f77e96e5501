import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import t from 'tap'

const root = join(import.meta.dirname, '../..')
const APART = join(root, '.ci/apart')
const name = (what: string) => `test-${process.pid}-${what}`

/** Control groups that `.ci/apart` made for a name; `*` for those within the group of whoever calls. */
const groups = (what: string) => globSync(`/sys/fs/cgroup/**/ws-operator-ci-${name(what)}`)

const probe = spawnSync(APART, [name('probe'), 'true'], { encoding: 'utf8' })
const skip = probe.status !== 0 && `nothing can be kept apart here: ${probe.error ?? probe.stderr}`

t.test('commands that are kept apart do not meet', { skip }, async t => {
  // Each takes the port, the process id and the file that the other takes, and stays until its input ends.
  const program = `
    const { writeFileSync, readdirSync } = require('node:fs')
    require('node:net').createServer().listen(16443, '127.0.0.1', () => {
      writeFileSync('.tap/apart-test', process.argv[1])
      const named = readdirSync('/proc').filter(name => /^[0-9]+$/.test(name)).length
      console.log(JSON.stringify({ named, groups: require('node:fs').readFileSync('/proc/self/cgroup', 'utf8') }))
    })
    process.stdin.on('data', () => process.exit(7))`
  const both = await Promise.all(
    ['a', 'b'].map(async what => {
      const child = spawn(APART, [name(what), process.execPath, '-e', program, what], { stdio: 'pipe' })
      const said = text(child.stderr)
      const [line] = await Promise.race([
        once(createInterface({ input: child.stdout }), 'line'),
        once(child, 'close').then(async () => [await said]),
      ])
      return { what, child, seen: JSON.parse(line) as { named: number; groups: string } }
    }),
  )
  for (const { what, child, seen } of both) {
    t.ok(seen.named < 10, 'it sees its own processes alone')
    t.notMatch(seen.groups, /:[^:]+:\/.*[a-z]/, 'and its control groups as the root')
    t.ok(groups(what).length > 0, 'which are groups below the root')
    child.stdin.end('end')
    t.same(await once(child, 'close'), [7, null], 'its exit code is the command’s')
    t.same(groups(what), [])
  }
  t.throws(() => readFileSync(join(root, '.tap/apart-test')), { code: 'ENOENT' }, 'the repository is as it was')
})

t.test('what such a command has started ends with it', { skip }, async t => {
  const child = spawn(APART, [name('ends'), 'sh', '-c', 'setsid sleep 1000 & echo; read _'], { stdio: 'pipe' })
  await once(createInterface({ input: child.stdout }), 'line')
  const [procs = ''] = groups('ends').map(group => join(group, 'cgroup.procs'))
  t.ok(readFileSync(procs, 'utf8').trim().split('\n').length > 2, 'it runs')
  child.kill()
  await once(child, 'close')
  t.same(groups('ends'), [], 'no process is left in its groups, else they would be there')
})
