import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { buildAll } from '../../scripts/build.ts'
import { ATTACKS } from './attacks.ts'
import { MemoryCgroup } from './cgroup.ts'
import { attack, type Result, VICTIMS, type Victim } from './stage.ts'

const root = join(import.meta.dirname, '../..')

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    victims: { type: 'string', default: 'sidecar,balancer' },
    seconds: { type: 'string', default: '10' },
    factor: { type: 'string', default: '1' },
    programs: { type: 'string' },
  },
})
const mib = (bytes: number) => (bytes / (1 << 20)).toFixed(0)
const programs = await mkdtemp(join(tmpdir(), 'ws-operator-programs-'))
await buildAll(programs, resolve(values.programs ?? root))
for (const victim of values.victims.split(',') as Victim[]) {
  for (const item of ATTACKS.filter(({ name }) => values.only?.split(',').includes(name) ?? true)) {
    const cgroup = MemoryCgroup.create(VICTIMS[victim])
    if (typeof cgroup === 'string') throw new Error(cgroup)
    const clients = Math.round(item.clients[victim] * Number(values.factor))
    const r: Result = await attack(item, {
      victim,
      cgroup,
      programs,
      attackMs: Number(values.seconds) * 1000,
      recoverMs: 15000,
      clients,
    })
    console.log(
      victim,
      item.name,
      clients,
      r.ended ?? 'lives',
      `wait ${r.longestWaitMs.toFixed(0)} ms`,
      `before ${mib(r.before)} peak ${mib(r.peak)} (sockets ${mib(r.peakSockets)}) after ${mib(r.after)}`,
      `connected ${r.connected} refused ${r.refused} open ${r.open}`,
      r.problem ?? '',
      JSON.stringify(r.closed),
    )
  }
}
await rm(programs, { recursive: true })
