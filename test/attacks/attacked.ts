import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { attackNamed } from '../../bench/attacks/attacks.ts'
import { MemoryCgroup } from '../../bench/attacks/cgroup.ts'
import { VICTIMS, type Victim } from '../../bench/attacks/processes.ts'
import { attack } from '../../bench/attacks/stage.ts'
import { buildAll } from '../../scripts/build.ts'

const ATTACK_MS = 3000
/** Longer than a pause of garbage collection, or of a pod that has no CPU time. */
const SHORT_STALL_MS = 5000
const RECOVER_MS = 30_000

/** One test for each attack on a program in a cgroup with its default limit; each is skipped where there can be no cgroup. */
export function attackedTests(t: Test, victim: Victim, names: readonly string[]): void {
  let programs = ''
  t.before(async () => {
    programs = await mkdtemp(join(tmpdir(), 'ws-operator-programs-'))
    await buildAll(programs)
  })
  t.teardown(() => rm(programs, { recursive: true, force: true }))
  for (const name of names) {
    const item = attackNamed(name)
    const cgroup = MemoryCgroup.create(VICTIMS[victim])
    t.test(`${victim}, ${name}: ${item.about}`, { skip: typeof cgroup === 'string' && cgroup }, async t => {
      const times = { attackMs: item.harmless ? SHORT_STALL_MS : ATTACK_MS, recoverMs: RECOVER_MS }
      const result = await attack(item, { victim, cgroup: cgroup as MemoryCgroup, programs, ...times })
      t.equal(result.ended, undefined, 'it lives')
      t.ok(result.peak <= VICTIMS[victim], `it is within its limit, sockets included: ${result.peak}`)
      if (item.harmless) t.equal(result.open, item.clients[victim], 'nobody is closed')
      t.equal(result.problem, undefined, 'a well-behaved client keeps its connection')
      t.ok(result.echoes > 0, `which has its echoes all the while: ${result.echoes}, within ${result.longestWaitMs} ms`)
      t.ok(result.recovered, `memory comes back: ${JSON.stringify(result)}`)
    })
  }
}
