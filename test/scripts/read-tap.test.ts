import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import t from 'tap'
import { readTap } from '../../scripts/read-tap.ts'

function count(stream: string) {
  const { passed, failed, skipped } = readTap(stream)
  return { passed, failed, skipped }
}

t.test('points that sum up a subtest do not count', async t => {
  const stream = `TAP version 14
# Subtest: a.test.ts
    # Subtest: inner
        ok 1 - one
        not ok 2 - two
          ---
          diff: |
            ok 1 - not a point
          ...
        1..2
    not ok 1 - inner
    ok 2 - three
    ok 3 - four # SKIP needs a browser
    not ok 4 - five # TODO later
    1..4
not ok 1 - a.test.ts
1..1
`
  t.same(count(stream), { passed: 2, failed: 1, skipped: 2 })
  const { failures, skips } = readTap(stream)
  t.same(failures, ['a.test.ts > inner > two\n          diff: |\n            ok 1 - not a point'])
  t.same(skips, ['a.test.ts > four # SKIP needs a browser', 'a.test.ts > five # TODO later'])
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
  t.same(count(stream), { passed: 2, failed: 1, skipped: 0 })
  t.same(readTap(stream).failures, ['b.test.ts > three'])
})

t.test('what fails as a whole is a failure', async t => {
  t.same(count('    ok 1 - one\n    1..1\nnot ok 1 - a.test.ts # timeout\n'), { passed: 1, failed: 1, skipped: 0 })
  t.same(count('not ok 1 - no tests found\n'), { passed: 0, failed: 1, skipped: 0 })
  t.same(count('ok 1 - one\nBail out! the disk is full\n'), { passed: 1, failed: 1, skipped: 0 })
  t.same(count('    not ok 1 - one\nBail out! one\nBail out! one\n'), { passed: 0, failed: 1, skipped: 0 })
  t.same(count('ok 1 - empty subtest # SKIP no tests found\n'), { passed: 0, failed: 0, skipped: 1 })
})

t.test('what tap writes', async t => {
  const dir = t.testdir({
    'tests.mjs': `import t from 'tap'
t.test('sub', async t => { t.ok(true); t.test('sub sub', async t => { t.equal(1, 2); t.ok(true) }) })
t.test('skipped', { skip: 'for a reason' }, async () => {})
t.pass('last')
`,
  })
  const { stdout, status } = spawnSync(process.execPath, [join(dir, 'tests.mjs')], { encoding: 'utf8' })
  t.equal(status, 1)
  t.same(count(stdout), { passed: 3, failed: 1, skipped: 1 })
})
