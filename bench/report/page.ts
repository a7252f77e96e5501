import type { BenchCase } from '../cases/case.ts'
import { type RoutingCost, routingTable } from '../compare/routing.ts'
import type { Machine } from '../machine/machine.ts'
import type { Options } from '../options.ts'
import type { Peer } from '../peers/peer.ts'
import type { Results } from './results.ts'
import { details, goals, overview } from './tables.ts'

/** Everything that a run came to. */
export interface Run {
  readonly command: string
  readonly options: Options
  readonly machine: Machine
  readonly cases: readonly BenchCase[]
  readonly peers: readonly Peer[]
  /** What each of the peers is, in their order; asked for before the run, because it may fail. */
  readonly about: readonly string[]
  readonly leftOut: readonly { readonly peer: Peer; readonly reason: string }[]
  readonly results: Results
  /** `undefined`: not measured. */
  readonly routing?: readonly RoutingCost[] | undefined
}

/** The page of a run, in Markdown. */
export function page({ command, options, machine, cases, peers, about, leftOut, results, routing }: Run): string {
  const { repetitions, seconds, warmup, idleConnections } = options
  const goalTable = goals(results)
  const sections = [
    '# Performance',
    ...(options.quick ? ['**A quick run: it shows that everything works; its figures mean nothing.**'] : []),
    `Written by \`${command}\`: ${repetitions} ${repetitions === 1 ? 'repetition' : 'repetitions'}, in turns, each of ${seconds} s after ${warmup} s of the same traffic, every program started anew. ${machine.summary}; the proxy has core ${machine.proxyCore} to itself, the load generator and two echo apps share core ${machine.loadCore}.`,
    'Throughput is counted per second of CPU time of the proxy, which hardly depends on what else the machine does. A figure is the median; in parentheses is the ratio to nginx in the same run, or the least and the greatest of the repetitions. A difference that is smaller than their spread proves nothing.',
    'What a sidecar and a balancer hold under attack, and how long others wait meanwhile, is [measured apart](attacks.md).',
    '## Overview',
    overview(cases, peers, results),
    ...(goalTable === '' ? [] : ['## Goals', goalTable]),
    '## Every case',
    `"Wrong" counts messages that were lost, doubled, reordered or corrupt, and connections that were cut, over all repetitions: each message has a sequence number, and its whole content is compared. The idle case has ${idleConnections.toLocaleString('en-US')} connections; PSS also moves when other Node processes start or end meanwhile. In the open loop, messages are sent at their times whether or not earlier ones have come back; latencies count in moments that were calm, in which neither the load generator's timer was late nor the proxy waited for its core, because another program ran there: the same rule for all, whatever the proxy does.`,
    ...cases.flatMap(item => [`### ${item.name}: ${item.title}`, details(item, peers, results)]),
    ...(routing
      ? [
          '## Routing',
          'What it costs to find the owner of a user among so many members, and to take over a change of them ([routing](routing.md)).',
          routingTable(routing),
        ]
      : []),
    '## Who was compared',
    [
      ...peers.map(({ title }, i) => `- ${title}: ${about[i]}.`),
      ...leftOut.map(({ peer, reason }) => `- ${peer.title}: left out, because ${reason}.`),
    ].join('\n'),
    ...failures(cases, peers, results),
  ]
  return `${sections.join('\n\n')}\n`
}

function failures(cases: readonly BenchCase[], peers: readonly Peer[], results: Results): string[] {
  const lines = cases.flatMap(item =>
    peers.flatMap(peer =>
      results.failures(item.name, peer.name).map(reason => `- ${item.name}, ${peer.title}: ${reason}`),
    ),
  )
  return lines.length === 0 ? [] : ['## What could not be measured', lines.join('\n')]
}
