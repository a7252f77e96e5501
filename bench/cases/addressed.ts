import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import type { Client } from '../load/job.ts'
import { type BenchCase, common, RATES } from './case.ts'

const PAIRS = 100

/**
 * Pairs of users who write to each other, the one on the first pod and the other on the second: both pods send as much as they
 * get.
 */
export function pairsOf(ports: readonly number[], pairs: number): Client[] {
  const set = MemberSet.of(ports.map(port => parseMember(`127.0.0.1:${port}`)))
  const users: string[][] = ports.map(() => [])
  for (let n = 0; users.some(owned => owned.length < pairs); n++) {
    const port = set.owner(`user-${n}`)?.port as number
    users[ports.indexOf(port)]!.push(`user-${n}`)
  }
  return Array.from({ length: pairs }, (_, pair) => [
    { user: users[0]![pair]!, port: ports[0]!, to: 2 * pair + 1 },
    { user: users[1]![pair]!, port: ports[1]!, to: 2 * pair },
  ]).flat()
}

const addressed = (inFlight: number): BenchCase => ({
  name: `addressed-${inFlight}`,
  title: `addressed messages between two pods, ${inFlight} in flight × ${2 * PAIRS} connections, 128 B, CPU of both sidecars`,
  shape: 'pods',
  figures: RATES,
  reference: `echo-${inFlight}x128`,
  job: (target, effort) => ({
    ...common(target, effort),
    kind: 'closed',
    clients: pairsOf(target.ports, PAIRS),
    inFlight,
    bytes: 128,
  }),
})

export const ADDRESSED: readonly BenchCase[] = [addressed(1), addressed(16)]
