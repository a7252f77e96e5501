import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type Count, readTap } from './read-tap.ts'

const root = dirname(import.meta.dirname)
const modules = join(root, 'node_modules')
/** A folder that may lie beside this repository: `up` starts a cluster and prints its kubeconfig. */
const NEIGHBOUR_CLUSTER = join(root, '../shared/cluster/up')
const CLUSTER_TESTS = 'test/cluster/'
/** Many processes, whose faults are timed: other tests beside it would only make it slow. */
const CHAOS = join('test', 'chaos', 'chaos.test.ts')
const CHAOS_TIMEOUT_SECONDS = 3600
/** A cluster has to pull, start and stop things. */
const CLUSTER_TIMEOUT_SECONDS = 600

const HELP = `npm test [-- FILTER ...]            type check, lint, docs check and tests; FILTER: only test files whose path contains it
npm run test:cluster [-- FILTER ...]  tests on the Kubernetes cluster that KUBECONFIG names

Ends with one line: N passed, N failed.
`

/** Test files, relative to the repository. */
function testFiles(cluster: boolean, filters: readonly string[]): string[] {
  return globSync('test/**/*.test.ts', { cwd: root })
    .map(file => file.replaceAll('\\', '/'))
    .filter(file => file.startsWith(CLUSTER_TESTS) === cluster)
    .filter(file => filters.length === 0 || filters.some(filter => file.includes(filter)))
    .sort()
}

/** Runs a program of node_modules or a script of ours; it counts as one check. */
function check(what: string, script: string, args: readonly string[]): Count {
  console.log(`\n${what}`)
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' })
  return status === 0 ? { passed: 1, failed: 0, skipped: 0 } : { passed: 0, failed: 1, skipped: 0 }
}

/** What is shown of a run: everything that tests say, or what is worth a look. */
type Show = 'everything' | 'summary'

/** Runs test files with tap; each assertion counts. */
async function runTap(files: readonly string[], show: Show, args: readonly string[]): Promise<Count> {
  if (files.length === 0) {
    console.log('no test file matches')
    return { passed: 0, failed: 1, skipped: 0 }
  }
  const out = join(root, '.tap/stream.tap')
  mkdirSync(dirname(out), { recursive: true })
  rmSync(out, { force: true })
  // Without a terminal the reporters draw their progress again and again, and may be cut off at the end.
  const quiet = show === 'summary' && !process.stdout.isTTY
  const reporter = show === 'everything' ? 'tap' : quiet ? 'silent' : 'terse'
  const options = [`--reporter=${reporter}`, ...(show === 'everything' ? [] : [`--output-file=${out}`]), ...args]
  const child = spawn(process.execPath, [join(modules, 'tap/dist/esm/run.mjs'), 'run', ...options, ...files], {
    cwd: root,
    stdio: ['inherit', show === 'everything' ? 'pipe' : 'inherit', 'inherit'],
  })
  const chunks: Buffer[] = []
  child.stdout?.on('data', chunk => {
    process.stdout.write(chunk)
    chunks.push(chunk)
  })
  const [status] = await once(child, 'close')
  const run = readTap(existsSync(out) ? readFileSync(out, 'utf8') : Buffer.concat(chunks).toString())
  for (const skip of run.skips) console.log(`skipped: ${skip}`)
  if (quiet) for (const failure of run.failures) console.log(`\nfailed: ${failure}`)
  // A run that fails without a failed point (tap itself could not work) is a failure all the same.
  return status !== 0 && run.failed === 0 ? { ...run, failed: 1 } : run
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

async function clusterTests(filters: readonly string[]): Promise<Count[]> {
  process.env['KUBECONFIG'] = kubeconfig()
  // What the tests say matters: which images they made, and who played Metacontroller's part.
  const args = ['--disable-coverage', '--jobs=1', `--timeout=${CLUSTER_TIMEOUT_SECONDS}`]
  return [await runTap(testFiles(true, filters), 'everything', args)]
}

async function localTests(filters: readonly string[]): Promise<Count[]> {
  if (filters.length > 0) {
    const files = testFiles(false, filters)
    const timeout = files.includes(CHAOS) ? [`--timeout=${CHAOS_TIMEOUT_SECONDS}`] : []
    return [await runTap(files, 'summary', ['--disable-coverage', ...timeout])]
  }
  const docs = join(root, 'scripts/docs.ts')
  return [
    check('type check', join(modules, 'typescript/bin/tsc'), ['--noEmit']),
    check('lint', join(modules, '@biomejs/biome/bin/biome'), ['check', '.']),
    ...(existsSync(docs) ? [check('generated pages of docs/', docs, ['--check'])] : []),
    await runTap(
      testFiles(false, []).filter(file => file !== CHAOS),
      'summary',
      ['--show-full-coverage'],
    ),
    await runTap([CHAOS], 'summary', ['--disable-coverage', `--timeout=${CHAOS_TIMEOUT_SECONDS}`]),
  ]
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(HELP)
    return
  }
  const filters = args.filter(arg => arg !== '--cluster')
  let counts: Count[]
  try {
    counts = await (args.includes('--cluster') ? clusterTests(filters) : localTests(filters))
  } catch (error) {
    console.error((error as Error).message)
    counts = [{ passed: 0, failed: 1, skipped: 0 }]
  }
  const sum = (key: keyof Count) => counts.reduce((total, count) => total + count[key], 0)
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : ''
  console.log(`\n${sum('passed')} passed, ${sum('failed')} failed${skipped}`)
  process.exitCode = sum('failed') === 0 ? 0 : 1
}

if (import.meta.main) await main(process.argv.slice(2))
