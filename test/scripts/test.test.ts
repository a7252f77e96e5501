import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'

const root = join(import.meta.dirname, '../..')

// Each run starts tap, on machines that are busy.
t.setTimeout(300_000)

const file = (body: string) => `import t from 'tap'\n${body}\n`
const PASSES = file("t.test('passes', async t => t.pass())")

/** A repository with these test files, and the rest of this one. */
function repository(t: Test, tests: Record<string, string | Record<string, string>>, allowed: object[] = []) {
  const dir = t.testdir({
    share: {},
    repository: {
      'package.json': readFileSync(join(root, 'package.json'), 'utf8'),
      scripts: {},
      test: { ...tests, 'allowed-skips.json': JSON.stringify(allowed) },
    },
  })
  const repository = join(dir, 'repository')
  copyFileSync(join(root, 'scripts/test.ts'), join(repository, 'scripts/test.ts'))
  for (const path of ['scripts/test', 'lib', 'node_modules']) symlinkSync(join(root, path), join(repository, path))
  return {
    run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
      const options = { env: { PATH: process.env['PATH'], ...env }, encoding: 'utf8', timeout: 120_000 } as const
      const { status, stdout, stderr } = spawnSync(
        process.execPath,
        [join(repository, 'scripts/test.ts'), ...args],
        options,
      )
      return { status, last: stdout.trimEnd().split('\n').at(-1), stdout, stderr }
    },
    share: join(dir, 'share'),
    failures: () => readFileSync(join(repository, '.tap/failures.txt'), 'utf8'),
  }
}

t.test('a filter chooses files by a part of their path; the last line counts their tests', async t => {
  const { run, failures } = repository(t, {
    'a.test.ts': file("t.test('one', async t => t.pass())\nt.test('two', async t => t.pass())"),
    'b.test.ts': file("t.fail('not chosen')"),
    cluster: { 'a.test.ts': file("t.fail('a cluster is not tested')") },
  })
  t.match(run(['test/a', '/a.test']), { status: 0, last: '2 passed, 0 failed' })
  t.equal(failures(), '')
})

t.test('a failure is said at the end and in a file, and the exit code tells it', async t => {
  const { run, failures } = repository(t, {
    'a.test.ts': file("t.test('passes', async t => t.pass())\nt.test('breaks', async t => t.equal(1, 2, 'sums'))"),
  })
  t.match(run(['a.test']), { status: 1, last: '1 passed, 1 failed', stdout: /\nfailed: .*breaks/ })
  t.match(failures(), /breaks[\s\S]*sums/)
})

t.test('a filter that no file matches is a failure', async t => {
  const { run } = repository(t, { 'a.test.ts': PASSES })
  t.match(run(['nothing-like-that']), { status: 1, last: '0 passed, 1 failed', stdout: /failed: no test file matches/ })
})

t.test('a skip is counted and said; with CI=true it must be listed', async t => {
  const skips = {
    'a.test.ts': file(
      "t.test('needs', { skip: 'no such thing here' }, async () => {})\nt.test('x', async t => t.pass())",
    ),
  }
  const unlisted = repository(t, skips)
  t.match(unlisted.run(['a.test']), {
    status: 0,
    last: '1 passed, 0 failed, 1 skipped',
    stdout: /skipped: .*no such thing/,
  })
  t.match(unlisted.run(['a.test'], { CI: 'true' }), {
    status: 1,
    last: '1 passed, 1 failed, 1 skipped',
    stdout: /a skip that test\/allowed-skips\.json does not list: no such thing here/,
  })
})

t.test('a listed skip is no failure', async t => {
  const skips = { 'a.test.ts': file("t.test('needs', { skip: 'no such thing here' }, async () => {})") }
  const { run } = repository(t, skips, [{ test: 'test/a.test.ts > *', reason: 'no such thing *' }])
  t.match(run(['a.test'], { CI: 'true' }), { status: 0, last: '0 passed, 0 failed, 1 skipped' })
})

t.test('without a cluster to test on, that is the failure', async t => {
  const { run } = repository(t, { cluster: { 'a.test.ts': PASSES } })
  t.match(run(['--cluster']), { status: 1, stdout: /failed: no cluster to test on: set KUBECONFIG/ })
})

t.test('runs that share a folder divide the cluster’s files, but for those that need the machine alone', async t => {
  const { run, share } = repository(t, {
    cluster: { 'a.test.ts': PASSES, 'b.test.ts': PASSES, 'zero-loss.test.ts': PASSES },
  })
  const env = { KUBECONFIG: '/dev/null' }
  t.match(run(['--cluster', '--share', share, 'cluster/a', 'zero-loss'], env), {
    status: 0,
    last: '1 passed, 0 failed',
  })
  t.match(run(['--cluster', '--share', share], env), { status: 0, last: '1 passed, 0 failed' }, 'b alone is left')
  t.match(run(['--cluster', '--alone'], env), { status: 0, last: '1 passed, 0 failed' })
})

t.test('--help says what there is; an unknown option is a failure', async t => {
  const { run } = repository(t, {})
  t.match(run(['--help']), { status: 0, stdout: /^npm test \[-- FILTER/ })
  t.match(run(['--fast']), { status: 1, last: '0 passed, 1 failed', stdout: /failed: Unknown option '--fast'/ })
})
