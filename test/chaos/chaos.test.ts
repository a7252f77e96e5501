import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { runsOf, SECONDS } from './seeds.ts'

/** How many seeds are run; CI runs more. */
const SEEDS = Number(process.env['CHAOS_SEEDS'] || 3)
const USERS = 40
const RUN_LIMIT_MS = 120_000

/** Runs the program. */
function chaos(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    const child = execFile(
      process.execPath,
      [join(import.meta.dirname, 'main.ts'), ...args],
      { timeout: RUN_LIMIT_MS, maxBuffer: 1e8 },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

t.setTimeout((SEEDS + 1) * RUN_LIMIT_MS)

t.test('--help says what there is, a bad argument what is wrong', async t => {
  const help = await chaos('--help')
  t.equal(help.code, 0)
  t.match(help.stdout, '--schedule KIND')
  const bad = await chaos('--seed', 'x')
  t.equal(bad.code, 2)
  t.match(bad.stderr, '--seed x: expected a whole number')
})

t.test('a run in which something is wrong says so, how to run it again, and keeps what it saw', async t => {
  const args = ['--schedule', 'pause', '--seconds', '2', '--users', '10', '--pause', '50', '--fault', 'double']
  const { code, stdout } = await chaos(...args)
  t.equal(code, 1)
  t.match(stdout, /doubled +[1-9]/)
  t.match(
    stdout,
    'again: node test/chaos/main.ts --seed 1 --schedule pause --seconds 2 --users 10 --pause 50 --pre-stop 4000 --fault double',
  )
  const folder = /what each end saw: (.*)/.exec(stdout)?.[1] ?? ''
  t.ok(existsSync(join(folder, 'story.txt')), 'what happened is kept')
  await rm(folder, { recursive: true, force: true })
})

/** What a run says of how users got to other pods. */
interface Moves {
  readonly moves?: readonly { readonly added: readonly string[]; readonly arrived: number }[]
}

for (const { kind, seed } of runsOf(SEEDS)) {
  t.test(`seed ${seed}, ${kind}`, async t => {
    const numbers = ['--seed', seed, '--seconds', SECONDS, '--users', USERS].map(String)
    const { code, stdout, stderr } = await chaos(...numbers, '--schedule', kind, '--json')
    const result = JSON.parse(stdout || '{}')
    t.equal(result.violations, 0, 'nothing that must not happen', { run: (stderr + stdout).split('\n') })
    t.equal(code, 0)
    t.ok(result.sent?.ups > 0 && result.sent?.directs > 0 && result.sent?.pushes > 0, 'there was traffic')
    const { moves = [] }: Moves = result
    if (kind === 'scale')
      t.ok(
        moves.some(({ added, arrived }) => added.length > 0 && arrived > 0),
        'users were moved to new pods',
      )
    t.notOk(existsSync(result.folder ?? '/'), 'nothing is left behind')
  })
}
