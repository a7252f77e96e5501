import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildAll } from '../../scripts/build.ts'
import { ATTACKS } from './attacks.ts'
import { MemoryCgroup } from './cgroup.ts'
import { VICTIMS, type Victim } from './processes.ts'
import { attack, type Result } from './stage.ts'

const root = join(import.meta.dirname, '../..')

const HELP = `node scripts/with-deps.mjs bench/attacks/main.ts [OPTION ...]

Attacks a sidecar and a balancer as their images run them, each in a cgroup with the memory limit that it has by default, and prints a row of
a table for each: whether it lives, how long one of twenty well-behaved clients waited for an echo at most (one message every 100 ms each; or somebody for /healthz, which needs no
app), what it cost of CPU time, and how much memory was taken. Needs root.

  --victims NAME,... sidecar, balancer
  --only ATTACK,...  ${ATTACKS.map(({ name }) => name).join(', ')}
  --factor N         times as many clients as killed one without a budget (1)
  --seconds N        of each attack (10)
  --programs DIR     another checkout of this repository whose programs are attacked
  --help             this text

Exit code 1: a program was killed, or a well-behaved client was closed, or more memory was taken than there is: cgroup v2 would have
killed it, v1 does not where it is that of sockets.
`

const HEADER = `| program | attack | clients | connected | refused | closed for memory | longest wait, ms | CPU, s | MiB before, at most (of it sockets), after | |
|---|---|---|---|---|---|---|---|---|---|`

const mib = (bytes: number) => Math.round(bytes / (1 << 20))

/** What ended it, or would have; `undefined`: nothing. */
const fateOf = (victim: Victim, { ended, problem, peak }: Result): string | undefined =>
  ended ?? problem ?? (peak > VICTIMS[victim] ? 'more than its limit' : undefined)

function row(victim: Victim, name: string, clients: number, result: Result): string {
  const { connected, refused, closed, longestWaitMs, cpuSeconds, before, peak, peakSockets, after } = result
  const memory = `${mib(before)}, ${mib(peak)} (${mib(peakSockets)}), ${mib(after)}`
  const fate = fateOf(victim, result) ?? 'lives'
  return `| ${[victim, name, clients, connected, refused, closed['memory'] ?? 0, Math.round(longestWaitMs), cpuSeconds.toFixed(1), memory, fate].join(' | ')} |`
}

/** @returns whether all lived */
async function run(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      victims: { type: 'string', default: 'sidecar,balancer' },
      only: { type: 'string' },
      factor: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '10' },
      programs: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    return true
  }
  const victims = (Object.keys(VICTIMS) as Victim[]).filter(name => values.victims.split(',').includes(name))
  const attacks = ATTACKS.filter(({ name }) => values.only?.split(',').includes(name) ?? true)
  const programs = await mkdtemp(join(tmpdir(), 'ws-operator-programs-'))
  let allLive = true
  try {
    await buildAll(programs, resolve(values.programs ?? root))
    console.log(HEADER)
    for (const victim of victims)
      for (const item of attacks) {
        const cgroup = MemoryCgroup.create(VICTIMS[victim])
        if (typeof cgroup === 'string') throw new Error(cgroup)
        const clients = Math.round(item.clients[victim] * Number(values.factor))
        const times = { attackMs: Number(values.seconds) * 1000, recoverMs: 15_000 }
        const result = await attack(item, { victim, cgroup, programs, ...times, clients })
        console.log(row(victim, item.name, clients, result))
        allLive &&= fateOf(victim, result) === undefined
      }
    return allLive
  } finally {
    await rm(programs, { recursive: true, force: true })
  }
}

if (import.meta.main) process.exitCode = (await run(process.argv.slice(2))) ? 0 : 1
