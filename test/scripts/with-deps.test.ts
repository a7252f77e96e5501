import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, copyFileSync, existsSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runs } from '../local/helper.ts'

const source = join(import.meta.dirname, '../../scripts/with-deps.mjs')
const onPosix = { skip: process.platform === 'win32' && 'npm is played by a shell script' }

/** Says how it was started, and ends with the code of its first argument. */
const PROGRAM = `const { env, argv, cwd } = process
console.log(JSON.stringify({ args: argv.slice(2), cwd: cwd(), path: env.PATH, poison: env.WS_OPERATOR_POISON_READS }))
process.exitCode = Number(argv[2] ?? 0)`

/** A repository whose packages are that many seconds older than its lock file, with an npm that notes how it is called. */
function repository(t: Test, olderSeconds: number, npmStatus = 0) {
  const npm = `#!/bin/sh\necho "$*" >> npm-calls\nexit ${npmStatus}\n`
  const dir = t.testdir({
    scripts: { 'program.mjs': PROGRAM, 'wait.mjs': 'console.log(process.pid)\nsetInterval(() => {}, 1000)' },
    test: { 'program.mjs': PROGRAM },
    node_modules: { '.bin': {}, '.package-lock.json': '{}' },
    bin: { npm },
    'package-lock.json': '{}',
  })
  copyFileSync(source, join(dir, 'scripts/with-deps.mjs'))
  chmodSync(join(dir, 'bin/npm'), 0o755)
  utimesSync(join(dir, 'package-lock.json'), 1_000_000, 1_000_000)
  utimesSync(join(dir, 'node_modules/.package-lock.json'), 1_000_000 - olderSeconds, 1_000_000 - olderSeconds)
  const env = { PATH: `${join(dir, 'bin')}:/usr/bin:/bin` }
  const args = (rest: readonly string[]) => [join(dir, 'scripts/with-deps.mjs'), ...rest]
  return {
    dir,
    run: (...rest: string[]) => spawnSync(process.execPath, args(rest), { env, cwd: '/', encoding: 'utf8' }),
    start: (...rest: string[]) => spawn(process.execPath, args(rest), { env, stdio: ['ignore', 'pipe', 'inherit'] }),
    npmCalls: () => (existsSync(join(dir, 'npm-calls')) ? readFileSync(join(dir, 'npm-calls'), 'utf8') : ''),
  }
}

t.test(
  'a program runs in the repository with its arguments, the packages’ programs first on its path',
  onPosix,
  async t => {
    const { dir, run, npmCalls } = repository(t, 0)
    const { status, stdout } = run('scripts/program.mjs', '0', 'b c')
    t.equal(status, 0)
    const { path, ...rest } = JSON.parse(stdout)
    t.strictSame(rest, { args: ['0', 'b c'], cwd: dir })
    t.ok(path.startsWith(`${join(dir, 'node_modules/.bin')}:`))
    t.equal(npmCalls(), '', 'nothing is installed')
  },
)

t.test('its exit code is the program’s', onPosix, async t => {
  t.equal(repository(t, 0).run('scripts/program.mjs', '7').status, 7)
})

t.test('tests alone poison the chunks that they are lent', onPosix, async t => {
  const { run } = repository(t, 0)
  t.equal(JSON.parse(run('test/program.mjs').stdout).poison, '1')
  t.equal(JSON.parse(run('scripts/program.mjs').stdout).poison, undefined)
})

t.test('packages older than the lock file are installed first, without their scripts', onPosix, async t => {
  const { run, npmCalls } = repository(t, 60)
  const { status, stderr, stdout } = run('scripts/program.mjs')
  t.equal(status, 0)
  t.match(npmCalls(), /^ci --ignore-scripts [^\n]*\n$/)
  t.match(stderr, 'installing packages')
  t.match(stdout, '"args":[]', 'then the program runs')
})

t.test('npm writes both files within moments of each other', onPosix, async t => {
  const { run, npmCalls } = repository(t, 4)
  t.equal(run('scripts/program.mjs').status, 0)
  t.equal(npmCalls(), '')
})

t.test('where the packages cannot be installed nothing runs, and that is said', onPosix, async t => {
  const { status, stderr, stdout } = repository(t, 60, 3).run('scripts/program.mjs')
  t.equal(status, 1)
  t.match(stderr, /npm ci failed \(exit code 3\).*registry/)
  t.equal(stdout, '')
})

t.test('the Node that the packages bring runs the program', onPosix, async t => {
  const { dir, run } = repository(t, 0)
  const node = join(dir, 'node_modules/.bin/node')
  copyFileSync(join(dir, 'bin/npm'), node)
  t.equal(run('scripts/program.mjs', 'x').status, 0)
  t.equal(readFileSync(join(dir, 'npm-calls'), 'utf8'), `${join(dir, 'scripts/program.mjs')} x\n`)
})

t.test('a signal to it ends the program', onPosix, async t => {
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT'] as const) {
    const child = repository(t, 0).start('scripts/wait.mjs')
    const [pid] = await once(child.stdout, 'data')
    t.teardown(() => runs(Number(pid)) && process.kill(Number(pid), 'SIGKILL'))
    const closed = once(child, 'close')
    child.kill(signal)
    t.strictSame(await closed, [1, null], `${signal}: its output is closed, so the program has ended too`)
  }
})
