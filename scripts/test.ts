import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { POISON_READS_VARIABLE } from '../lib/service/names.ts'
import { readAllowedSkips, unlistedSkips } from './test/allowed-skips.ts'
import { claim, longFirst, runsAlone } from './test/claims.ts'
import { belowFloor, raised, readFloor, readSummary, writeFloor } from './test/coverage.ts'
import { type Run, readTap } from './test/read-tap.ts'

const root = dirname(import.meta.dirname)
const modules = join(root, 'node_modules')
/** A folder that may lie beside this repository: `up` starts a cluster and prints its kubeconfig. */
const NEIGHBOUR_CLUSTER = join(root, '../shared/cluster/up')
const CLUSTER_TESTS = 'test/cluster/'
/** Names the folder in which test files of one run on a cluster leave what later ones need not do again. */
const RUN_FOLDER_VARIABLE = 'WS_OPERATOR_TEST_RUN'
/** Many processes, whose faults are timed: other tests beside it would only make it slow. */
const CHAOS = join('test', 'chaos', 'chaos.test.ts')
const CHAOS_TIMEOUT_SECONDS = 3600
/** What failed in the last run, where .ci/run finds it. */
const FAILURES = join(root, '.tap/failures.txt')
/** A cluster has to pull, start and stop things. */
const CLUSTER_TIMEOUT_SECONDS = 600

/** With CI=true, any other skip is a failure. */
const ALLOWED_SKIPS = join(root, 'test/allowed-skips.json')
const COVERAGE_FLOOR = join(root, 'test/coverage-floor.json')
const COVERAGE_OPTIONS = ['--show-full-coverage', '--coverage-report=text', '--coverage-report=json-summary']
const COVERAGE_SUMMARY = join(root, '.tap/report/coverage-summary.json')

const HELP = `npm test [-- FILTER ...]            type check, lint, docs check and tests; FILTER: only test files whose path contains it
npm run test:cluster [-- FILTER ...]  tests on the Kubernetes cluster that KUBECONFIG names
  --share FOLDER                      runs that name one folder, each with its own cluster, divide the test files among them,
                                      but for those that need the machine for themselves
  --alone                             only those
npm run coverage [-- --raise]         the same as npm test, slower: fails where coverage is below test/coverage-floor.json;
                                      --raise lifts the floor to what was measured

Ends with one line: N passed, N failed. It counts tests, and the checks before them, not assertions.
With CI=true a skip that test/allowed-skips.json does not list is a failure.
`

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  cluster: { type: 'boolean' },
  share: { type: 'string' },
  alone: { type: 'boolean' },
  coverage: { type: 'boolean' },
  raise: { type: 'boolean' },
} as const

const NOTHING: Run = { passed: 0, failed: 0, failures: [], skips: [] }
const failure = (what: string): Run => ({ ...NOTHING, failed: 1, failures: [what] })

function sum(runs: readonly Run[]): Run {
  return runs.reduce((all, run) => ({
    passed: all.passed + run.passed,
    failed: all.failed + run.failed,
    failures: [...all.failures, ...run.failures],
    skips: [...all.skips, ...run.skips],
  }))
}

/** Test files, relative to the repository. */
function testFiles(cluster: boolean, filters: readonly string[]): string[] {
  return globSync('test/**/*.test.ts', { cwd: root })
    .map(file => file.replaceAll('\\', '/'))
    .filter(file => file.startsWith(CLUSTER_TESTS) === cluster)
    .filter(file => filters.length === 0 || filters.some(filter => file.includes(filter)))
    .sort()
}

/** Runs a program of node_modules or a script of ours; it counts as one check. */
function check(what: string, script: string, args: readonly string[]): Run {
  console.log(`\n${what}`)
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' })
  return status === 0 ? { ...NOTHING, passed: 1 } : failure(`${what}, above`)
}

/**
 * Runs test files with tap.
 *
 * @param shows which lines of what the tests say are shown while they run
 */
async function runTap(
  files: readonly string[],
  shows: (line: string) => boolean,
  args: readonly string[],
): Promise<Run> {
  if (files.length === 0) return failure('no test file matches')
  // Other reporters draw their progress again and again, and may be cut off at the end where there is no terminal.
  const options = ['run', '--reporter=tap', ...args, ...files]
  const child = spawn(process.execPath, [join(modules, 'tap/dist/esm/run.mjs'), ...options], {
    cwd: root,
    stdio: ['inherit', 'pipe', 'inherit'],
    env: { ...process.env, [POISON_READS_VARIABLE]: '1' },
  })
  const closed = once(child, 'close')
  const lines: string[] = []
  for await (const line of createInterface(child.stdout)) {
    lines.push(line)
    if (shows(line)) console.log(line)
  }
  const [status] = await closed
  const run = readTap(lines.join('\n'))
  for (const { test, reason } of run.skips) console.log(`skipped: ${test}: ${reason}`)
  // A run that fails without a failed point (tap itself could not work) is a failure all the same.
  return status !== 0 && run.failed === 0 ? sum([run, failure(`tap ended with exit code ${status}`)]) : run
}

/** Every line: of tests on a cluster it matters which images they made, and who played Metacontroller's part. */
const everything = () => true

/** The result of each file, then the table of what is covered. */
function results(): (line: string) => boolean {
  let table = false
  return line => {
    table ||= /^-+\|/.test(line)
    return table || /^(not )?ok /.test(line)
  }
}

/** Where the cluster's credentials are. @throws where there is no cluster to use */
function kubeconfig(): string {
  const given = process.env['KUBECONFIG']
  if (given) return given
  if (!existsSync(NEIGHBOUR_CLUSTER)) {
    throw new Error(
      'no cluster to test on: set KUBECONFIG to the kubeconfig of one that may be changed, for example of kind or minikube',
    )
  }
  console.log(`starting the cluster of ${NEIGHBOUR_CLUSTER} (it stays up; "down" beside it ends it)`)
  const { status, stdout } = spawnSync(NEIGHBOUR_CLUSTER, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8' })
  if (status !== 0) throw new Error(`${NEIGHBOUR_CLUSTER} failed with exit code ${status}`)
  return stdout.trim().split('\n').at(-1) ?? ''
}

/**
 * @param how.share folder of the runs that divide the files among them
 * @param how.alone only files that need the machine for themselves
 */
async function clusterTests(filters: readonly string[], how: { share?: string; alone?: boolean }): Promise<Run[]> {
  process.env['KUBECONFIG'] = kubeconfig()
  const args = ['--disable-coverage', '--jobs=1', `--timeout=${CLUSTER_TIMEOUT_SECONDS}`]
  const folder = mkdtempSync(join(tmpdir(), 'ws-operator-run-'))
  process.env[RUN_FOLDER_VARIABLE] = folder
  const files = longFirst(testFiles(true, filters))
  const { share, alone = false } = how
  try {
    if (share === undefined) return [await runTap(alone ? files.filter(runsAlone) : files, everything, args)]
    const runs = [NOTHING]
    for (const file of files) {
      if (!runsAlone(file) && claim(share, file)) runs.push(await runTap([file], everything, args))
    }
    return runs
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Compares what tap measured with the floor, which `raise` lifts first. */
function checkCoverage(raise: boolean): Run {
  if (!existsSync(COVERAGE_SUMMARY)) return failure('tap wrote no summary of coverage')
  const measured = readSummary(COVERAGE_SUMMARY)
  if (raise) writeFloor(COVERAGE_FLOOR, raised(measured, readFloor(COVERAGE_FLOOR)))
  const problems = belowFloor(measured, readFloor(COVERAGE_FLOOR))
  console.log(
    `\ncoverage: ${measured.lines} % of lines, ${measured.branches} % of branches, ${measured.functions} % of functions`,
  )
  return problems.length === 0 ? { ...NOTHING, passed: 1 } : failure(problems.join('\n'))
}

/** Skips that CI does not expect, as failures. */
function checkSkips({ skips }: Run): Run {
  const unlisted = process.env['CI'] === 'true' ? unlistedSkips(skips, readAllowedSkips(ALLOWED_SKIPS)) : []
  return sum([
    NOTHING,
    ...unlisted.map(({ test, reason }) =>
      failure(`${test}: a skip that test/allowed-skips.json does not list: ${reason}`),
    ),
  ])
}

async function localTests(filters: readonly string[], coverage: 'none' | 'check' | 'raise'): Promise<Run[]> {
  if (filters.length > 0) {
    const files = testFiles(false, filters)
    const timeout = files.includes(CHAOS) ? [`--timeout=${CHAOS_TIMEOUT_SECONDS}`] : []
    return [await runTap(files, results(), ['--disable-coverage', ...timeout])]
  }
  const docs = join(root, 'scripts/docs.ts')
  return [
    check('type check', join(modules, 'typescript/bin/tsc'), ['--noEmit']),
    check('lint', join(modules, '@biomejs/biome/bin/biome'), ['check', '.']),
    ...(existsSync(docs) ? [check('generated pages of docs/', docs, ['--check'])] : []),
    await runTap(
      testFiles(false, []).filter(file => file !== CHAOS),
      results(),
      coverage === 'none' ? ['--disable-coverage'] : COVERAGE_OPTIONS,
    ),
    ...(coverage === 'none' ? [] : [checkCoverage(coverage === 'raise')]),
    await runTap([CHAOS], results(), ['--disable-coverage', `--timeout=${CHAOS_TIMEOUT_SECONDS}`]),
  ]
}

async function main(): Promise<void> {
  let runs: Run[]
  rmSync(FAILURES, { force: true })
  rmSync(COVERAGE_SUMMARY, { force: true })
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS })
    if (values.help) {
      process.stdout.write(HELP)
      return
    }
    const coverage = values.raise ? 'raise' : values.coverage ? 'check' : 'none'
    runs = await (values.cluster ? clusterTests(positionals, values) : localTests(positionals, coverage))
  } catch (error) {
    runs = [failure((error as Error).message)]
  }
  const run = sum(runs)
  const { passed, failed, failures } = sum([run, checkSkips(run)])
  const skipped = run.skips.length
  // At the end, and in a file: whatever keeps a log may keep only the last part of it.
  const said = failures.map(text => `\nfailed: ${text}\n`).join('')
  mkdirSync(dirname(FAILURES), { recursive: true })
  writeFileSync(FAILURES, said)
  console.log(`${said}\n${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`)
  process.exitCode = failed === 0 ? 0 : 1
}

if (import.meta.main) await main()
