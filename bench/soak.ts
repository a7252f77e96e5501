import { parseArgs } from 'node:util'
import { freePorts } from './machine/child.ts'
import { Churn } from './soak/churn.ts'
import { LIMITS, LIVES } from './soak/lives.ts'
import { MOVED_LIVES, MovingMembers } from './soak/moving.ts'
import { Program, startApp } from './soak/program.ts'
import { SAMPLE_HEADER, sampleLine, summary } from './soak/report.ts'
import { growth, leftovers, type Sample } from './soak/verdict.ts'

const HELP = `node scripts/with-deps.mjs bench/soak.ts [--minutes 10] [--rate 200] [--moving]

Clients come and go through a balancer and two sidecars, each a process of its own, in every way there is: RATE of them a second
for that many minutes. Prints what the programs hold every 10 s. Exit code 0: after the last client nothing is left, and memory
has stopped growing; 1: there is a leak, or clients saw what they should not; 2: bad arguments.

With --moving the members change every second, so that every client is moved again and again. Clients then stay for 20 s,
two at a time who write to each other, and RATE is 5 unless given.
`

/** Code is compiled and caches fill in that time; what there is afterwards, when idle, is what must be there in the end. */
const WARM_UP_MS = 10_000
const COLLECTIONS = 8
const SAMPLE_MS = 10_000
/** Idle connections between our own programs are kept for up to 72 s (Fastify's keepAliveTimeout). */
const SETTLE_MS = 90_000
const LAST_LIFE_MS = 35_000

interface Options {
  readonly minutes: number
  readonly rate: number
  /** Whether the members change all the time. */
  readonly moving: boolean
}

const RATE = 200
const MOVING_RATE = 5

function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string' },
      rate: { type: 'string' },
      moving: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return undefined
  const number = (name: 'minutes' | 'rate', fallback: number, least: number, most: number) => {
    const value = Number(values[name] ?? fallback)
    if (!(value >= least && value <= most)) throw new Error(`--${name} must be between ${least} and ${most}`)
    return value
  }
  const { moving } = values
  const rate = number('rate', moving ? MOVING_RATE : RATE, 1, 5000)
  return { minutes: number('minutes', 10, 0.75, 1440), rate, moving }
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

/** Waits until something holds, or a time is over. */
async function until(ms: number, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + ms
  while (!(await holds()) && performance.now() < deadline) await pause(250)
}

interface Programs {
  readonly balancer: Program
  readonly all: readonly Program[]
  readonly port: number
  readonly members: MovingMembers
}

async function startPrograms(appPort: number): Promise<Programs> {
  const ports = await freePorts(6)
  const [port, first, second, ...admin] = ports as [number, number, number, number, number, number]
  const members = await MovingMembers.create([`127.0.0.1:${first}`, `127.0.0.1:${second}`])
  const common = { DISCOVERY: 'file', MEMBERS_FILE: members.path, ...LIMITS }
  const sidecar = (n: number, port: number) =>
    Program.start(`sidecar ${n + 1}`, 'sidecar', admin[n] as number, {
      ...common,
      // The balancer in front has its own limits for clients; it must be the one that applies them.
      CLIENT_PING_SECONDS: 0,
      CLIENT_IDLE_SECONDS: 0,
      PORT: port,
      SELF: `127.0.0.1:${port}`,
      APP_PORT: appPort,
      // The app echoes: as the recipient's own, a message comes back to the recipient.
      DELIVER: 'app',
    })
  const sidecars = await Promise.all([first, second].map((port, n) => sidecar(n, port)))
  const moves = { REBALANCE_DELAY_SECONDS: 0, MAX_MOVES_PER_SECOND: 10_000 }
  const balancer = await Program.start('balancer', 'balancer', admin[2], {
    ...common,
    ...moves,
    REHOME: 'transparent',
    PORT: port,
    WORKERS: 1,
  })
  return { balancer, all: [balancer, ...sidecars], port, members }
}

async function soak({ minutes, rate, moving }: Options, signal: AbortSignal): Promise<string[]> {
  const app = await startApp()
  const { balancer, all: programs, port, members } = await startPrograms(app.port)
  const churn = new Churn(port, moving ? MOVED_LIVES : LIVES)
  const look = () => Promise.all(programs.map(program => program.sample()))
  /** V8 gives up code that is used no more only after several collections. */
  const lookIdle = async () => {
    for (let n = 1; n < COLLECTIONS; n++) await look()
    return look()
  }
  let start = performance.now()
  const show = (samples: readonly Sample[]) => {
    for (const [n, sample] of samples.entries())
      console.log(sampleLine((performance.now() - start) / 1000, churn.lives, programs[n]?.name ?? '', sample))
  }
  try {
    console.log(SAMPLE_HEADER)
    await churn.run(rate, AbortSignal.any([signal, AbortSignal.timeout(WARM_UP_MS)]))
    await until(LAST_LIFE_MS, () => churn.active === 0)
    const before = await lookIdle()
    show(before)
    start = performance.now()
    const stop = AbortSignal.any([signal, AbortSignal.timeout(minutes * 60_000)])
    const churning = Promise.all([churn.run(rate, stop), moving && members.run(stop)])
    const during: Sample[][] = []
    for (let due = SAMPLE_MS; due <= minutes * 60_000 && !signal.aborted; due += SAMPLE_MS) {
      await pause(start + due - performance.now())
      const samples = await look()
      show(samples)
      during.push(samples)
    }
    await churning
    signal.throwIfAborted()
    await until(LAST_LIFE_MS, () => churn.active === 0)
    let after = await look()
    const problemsOf = (n: number) => leftovers({ before: before[n] as Sample, after: after[n] as Sample })
    await until(SETTLE_MS, async () => {
      after = await look()
      return programs.every((_, n) => problemsOf(n).length === 0) && (await app.connections()) === 0
    })
    after = await lookIdle()
    show(after)
    const courses = programs.map(({ name }, n) => ({
      name,
      before: before[n] as Sample,
      during: during.map(samples => samples[n] as Sample),
      after: after[n] as Sample,
    }))
    console.log(summary(courses, churn))
    const left = await app.connections()
    const moves = await balancer.metric('rehomes_total')
    if (moving) console.log(`\n${moves} moves`)
    return [
      ...courses.flatMap(({ name, during }, n) =>
        [...problemsOf(n), ...growth(during)].map(problem => `${name}: ${problem}`),
      ),
      ...(moving && moves === 0 ? ['balancer: nobody was moved'] : []),
      ...(left > 0 ? [`app: ${left} connections after all clients have left`] : []),
      ...[...churn.tallies].flatMap(([name, { unexpected }]) =>
        [...unexpected].map(([end, count]) => `client: "${name}" ended ${count} times with ${end}`),
      ),
    ]
  } finally {
    await Promise.all([app, ...programs].map(program => program.stop()))
    await members.remove()
  }
}

async function main(args: readonly string[]): Promise<number> {
  let options: Options | undefined
  try {
    options = parseOptions(args)
  } catch (error) {
    process.stderr.write(`soak: ${(error as Error).message}\n\n${HELP}`)
    return 2
  }
  if (!options) {
    process.stdout.write(HELP)
    return 0
  }
  const abort = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => abort.abort(new Error('interrupted')))
  try {
    const problems = await soak(options, abort.signal)
    console.log(problems.length === 0 ? '\nno leak' : `\n${problems.join('\n')}`)
    return problems.length === 0 ? 0 : 1
  } catch (error) {
    process.stderr.write(`soak: ${(error as Error).message}\n`)
    return 1
  }
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2))
