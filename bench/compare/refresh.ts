/**
 * What it costs a sidecar that others announce their users to it, or that it announces its own: CPU time of each round, of which one
 * comes every 20 s. Not part of the bench page; `node scripts/with-deps.mjs bench/compare/refresh.ts [USERS]`.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { MemberHistory } from '../../lib/routing/history.ts'
import { createMember, type Member } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import { Registry } from '../../sidecar/connections/registry.ts'
import { Announcer } from '../../sidecar/peers/announcer.ts'
import { LocationCache } from '../../sidecar/send/location-cache.ts'

const USERS = Number(process.argv[2] ?? 100_000)
const ROUNDS = 6
/** Users in one announcement, about as many as fit. */
const BATCH = 5000

const members = [1, 2, 3].map(n => createMember(`10.0.0.${n}`, 3000)) as [Member, Member, Member]
const users = Array.from({ length: USERS }, (_, n) => `user-${n}`)

function cpuMs(work: () => void): number {
  const before = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

function heard(): number[] {
  const clock = { now: 0 }
  const whereabouts = new LocationCache({ self: members[0].name, metrics: new Metrics(), now: () => clock.now })
  return Array.from({ length: ROUNDS }, () => {
    clock.now += 20_000
    return cpuMs(() => {
      for (let n = 0; n < USERS; n += BATCH) whereabouts.announced(members[1].name, users.slice(n, n + BATCH))
    })
  })
}

async function said(): Promise<number[]> {
  const set = MemberSet.of(members)
  const history = new MemberHistory()
  history.record(set)
  const registry = new Registry()
  for (const user of users) registry.add(user, { state: 'open' } as never, user)
  const told = { users: 0 }
  const announcer = new Announcer({
    self: members[0].name,
    members: () => set,
    settled: ms => history.settled(ms),
    known: () => [],
    registry,
    transport: {
      async announce(_member, announced) {
        told.users += announced.length
        return true
      },
    },
    metrics: new Metrics(),
  })
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage()
    announcer.membersChanged()
    for (let last = -1; last !== told.users; ) {
      last = told.users
      for (let n = 0; n < USERS / 500; n++) await turn()
    }
    const { user, system } = process.cpuUsage(before)
    rounds.push((user + system) / 1000)
  }
  announcer.stop()
  return rounds
}

const text = (rounds: number[]) => rounds.map(ms => ms.toFixed(0)).join(', ')
process.stdout.write(`${USERS} users, CPU milliseconds of each of ${ROUNDS} rounds\n`)
process.stdout.write(`announcements heard: ${text(heard())}\n`)
process.stdout.write(`announcements made: ${text(await said())}\n`)
