import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { globSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { waitFor } from '../helpers/wait.ts'

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
      t.teardown(() => child.kill())
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

t.test('what such a command has started ends with it, also where it is killed', { skip }, async t => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    const what = `ends-${signal}`
    const child = spawn(APART, [name(what), 'sh', '-c', 'setsid sleep 1000 & echo; read _'], { stdio: 'pipe' })
    t.teardown(() => child.kill())
    await once(createInterface({ input: child.stdout }), 'line')
    const [group = ''] = groups(what)
    const processes = () => readFileSync(join(group, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean)
    t.ok(processes().length > 1, 'it runs')
    child.kill(signal)
    await once(child, 'close')
    // Killed, it can remove nothing; a group without processes is all that is left.
    if (signal === 'SIGTERM') t.same(groups(what), [])
    else await waitFor(() => processes().length === 0, 'its processes have ended')
    for (const left of groups(what)) rmdirSync(left)
    t.pass(`${signal}: nothing runs any more`)
  }
})
