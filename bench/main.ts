import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { buildAll } from '../scripts/build.ts'
import { CASES } from './cases/cases.ts'
import { measureRouting } from './compare/routing.ts'
import { describeMachine } from './machine/machine.ts'
import { HELP, type Options, parseOptions, unpublishable, wantsRouting } from './options.ts'
import { ensureInstalled } from './peers/install.ts'
import { PEERS } from './peers/peers.ts'
import { page, type Run } from './report/page.ts'
import { type Progress, runAll } from './run.ts'

const root = join(import.meta.dirname, '..')
const PAGE = join(root, 'docs/performance.md')

const say = (line: string) => process.stderr.write(`${line}\n`)

const showProgress = ({ done, total, repetition, item, peer, outcome, leftMs }: Progress) =>
  say(
    `${String(done).padStart(String(total).length)}/${total} repetition ${repetition + 1}, ${item.name}, ${peer.name}: ${outcome}; about ${Math.ceil(leftMs / 60_000)} min left`,
  )

/** Chooses what is measured, and says what has to be left out. */
function prepare(options: Options, args: readonly string[]): Omit<Run, 'results'> {
  const wanted = PEERS.filter(({ name }) => options.peers?.includes(name) ?? true)
  const leftOut: Run['leftOut'][number][] = []
  for (const peer of wanted) {
    const reason = ensureInstalled(peer, say)
    if (reason === undefined) continue
    leftOut.push({ peer, reason })
    say(`${peer.name} is left out: ${reason}`)
  }
  const peers = wanted.filter(peer => !leftOut.some(left => left.peer === peer))
  const cases = CASES.filter(({ name }) => options.only?.includes(name) ?? true)
  const command = ['npm run bench', ...(args.length > 0 ? ['--', ...args] : [])].join(' ')
  return { command, options, machine: describeMachine(), cases, peers, about: peers.map(peer => peer.about()), leftOut }
}

async function bench(options: Options, args: readonly string[], signal: AbortSignal): Promise<number> {
  const plan = prepare(options, args)
  const programs = await mkdtemp(join(tmpdir(), 'ws-operator-programs-'))
  try {
    await buildAll(programs, resolve(options.programs ?? root))
    const conditions = { machine: plan.machine, effort: options, programs }
    const results = await runAll(plan, conditions, signal, showProgress)
    const routing = wantsRouting(options) ? measureRouting() : undefined
    const text = page({ ...plan, results, routing })
    process.stdout.write(text)
    const reason = unpublishable(options, plan.leftOut) ?? (results.clean ? undefined : 'something went wrong')
    if (reason === undefined) await writeFile(PAGE, text)
    say(reason === undefined ? 'wrote docs/performance.md' : `docs/performance.md stays as it is: ${reason}`)
    return results.clean ? 0 : 1
  } finally {
    await rm(programs, { recursive: true, force: true })
  }
}

async function main(args: readonly string[]): Promise<number> {
  let options: Options | undefined
  try {
    options = parseOptions(args)
  } catch (error) {
    say(`bench: ${(error as Error).message}\n\n${HELP}`)
    return 2
  }
  if (!options) {
    process.stdout.write(HELP)
    return 0
  }
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort())
  try {
    return await bench(options, args, abort.signal)
  } catch (error) {
    say(`bench: ${(error as Error).message}`)
    return abort.signal.aborted ? 130 : 1
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
