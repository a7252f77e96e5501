import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { readTap } from '../../../scripts/test/read-tap.ts'

function count(stream: string) {
  const { passed, failed, skips } = readTap(stream)
  return { passed, failed, skipped: skips.length }
}

t.test('a test counts once, however many assertions it has', async t => {
  const stream = `TAP version 14
# Subtest: a.test.ts
    # Subtest: inner
        ok 1 - one
        not ok 2 - two
          ---
          diff: |
            ok 1 - not a point
          ...
        not ok 3 - three
        1..3
    not ok 1 - inner
    # Subtest: passes
        ok 1 - one
        ok 2 - two
        1..2
    ok 2 - passes
    ok 3 - four # SKIP needs a browser
    not ok 4 - five # TODO later
    ok 5 - an assertion beside subtests
    1..5
not ok 1 - a.test.ts
1..1
`
  t.same(count(stream), { passed: 1, failed: 1, skipped: 2 })
  const { failures, skips } = readTap(stream)
  t.same(failures, ['a.test.ts > inner > two\n  diff: |\n    ok 1 - not a point\na.test.ts > inner > three'])
  t.same(skips, [
    { test: 'a.test.ts > four', reason: 'needs a browser' },
    { test: 'a.test.ts > five', reason: 'later' },
  ])
})

t.test('a file without subtests is one test', async t => {
  const file = (not: string) =>
    `# Subtest: a.test.ts\n    ok 1 - one\n    ${not}ok 2 - two\n    1..2\n${not}ok 1 - a.test.ts\n1..1\n`
  t.same(count(file('')), { passed: 1, failed: 0, skipped: 0 })
  t.same(count(file('not ')), { passed: 0, failed: 1, skipped: 0 })
})

t.test('buffered subtests', async t => {
  const stream = `ok 1 - a.test.ts # time=5ms {
    ok 1 - inner {
        ok 1 - one
        1..1
    }
    ok 2 - two
    1..2
}
not ok 2 - b.test.ts {
    not ok 1 - three
    1..1
}
1..2
`
  t.same(count(stream), { passed: 1, failed: 1, skipped: 0 })
  t.same(readTap(stream).failures, ['b.test.ts > three'])
})

t.test('an assertion that fails beside subtests is a failure more', async t => {
  const stream = `# Subtest: a.test.ts
    # Subtest: fails
        not ok 1 - one
        1..1
    not ok 1 - fails
    # Subtest: passes
        ok 1 - one
        1..1
    ok 2 - passes
    not ok 3 - two
    1..3
not ok 1 - a.test.ts
1..1
`
  t.same(count(stream), { passed: 1, failed: 2, skipped: 0 })
  t.same(readTap(stream).failures, ['a.test.ts > fails > one', 'a.test.ts > two'])
})

t.test('what fails as a whole is a failure', async t => {
  const inner = '    # Subtest: inner\n        ok 1 - one\n        1..1\n    ok 1 - inner\n    1..1\n'
  t.same(count(`# Subtest: a\n${inner}not ok 1 - a # timeout\n1..1\n`), { passed: 1, failed: 1, skipped: 0 })
  t.same(count('    ok 1 - one\n    1..1\nnot ok 1 - a.test.ts # timeout\n1..1\n'), {
    passed: 0,
    failed: 1,
    skipped: 0,
  })
  t.same(count('not ok 1 - no tests found\n1..1\n'), { passed: 0, failed: 1, skipped: 0 })
  t.same(count('ok 1 - one\nBail out! the disk is full\n'), { passed: 1, failed: 1, skipped: 0 })
  t.same(count('    not ok 1 - one\nBail out! one\nBail out! one\n'), { passed: 0, failed: 1, skipped: 0 })
  t.same(count('ok 1 - empty subtest # SKIP no tests found\n1..1\n'), { passed: 0, failed: 0, skipped: 1 })
  t.same(count(`# Subtest: a\n${inner}`), { passed: 1, failed: 1, skipped: 0 }, 'the stream breaks off')
})

t.test('what tap writes', async t => {
  const dir = t.testdir({
    'tests.mjs': `import t from 'tap'
t.test('sub', async t => { t.ok(true); t.test('sub sub', async t => { t.equal(1, 2); t.ok(true) }) })
t.test('skipped', { skip: 'for a reason' }, async () => {})
t.test('cannot run here', async t => t.plan(0, 'for another'))
t.test('passes', async t => { t.ok(true); t.ok(true) })
`,
  })
  const { stdout, status } = spawnSync(process.execPath, [join(dir, 'tests.mjs')], { encoding: 'utf8' })
  t.equal(status, 1)
  t.same(count(stdout), { passed: 1, failed: 1, skipped: 2 })
  t.match(readTap(stdout).failures, [/^sub > sub sub > should be equal\n[\s\S]*diff: \|/])
  t.same(readTap(stdout).skips, [
    { test: 'skipped', reason: 'for a reason' },
    { test: 'cannot run here', reason: 'for another' },
  ])
})
