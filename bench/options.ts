import { parseArgs } from 'node:util'
import type { Effort } from './cases/case.ts'
import { CASES } from './cases/cases.ts'
import { PEERS } from './peers/peers.ts'

/** The cost of finding a user's owner, which no peer has a part in. */
export const ROUTING = 'routing'

export const HELP = `npm run bench [-- OPTION ...]

Measures our balancer and sidecar beside the proxies that people use, in one run and on the same cores: the proxy on one core, the
load generator and the apps on another. Prints the tables; a whole run, as it comes, also writes docs/performance.md. Needs Linux. nginx
and HAProxy are installed with apt-get where they are missing and this runs as root; else they are left out.

  --repetitions N    how often everything is measured, in turns (3)
  --warmup SECONDS   of the same traffic before measuring (5)
  --seconds SECONDS  that are measured (4)
  --only CASE,...    ${CASES.map(({ name }) => name).join(', ')}, ${ROUTING}
  --peers PEER,...   ${PEERS.map(({ name }) => name).join(', ')}
  --connections N    of the idle case (9000); each takes two open files of a proxy
  --programs DIR     another checkout of this repository whose balancer and sidecar are measured
  --quick            a smoke test: one short repetition, whose figures mean nothing
  --help             this text

Exit code 1: a message was lost, doubled, reordered or corrupt, a connection was cut, or something could not be measured.
`

export interface Options extends Effort {
  readonly repetitions: number
  /** Names; `undefined`: all. */
  readonly only: readonly string[] | undefined
  readonly peers: readonly string[] | undefined
  readonly programs: string | undefined
  readonly quick: boolean
}

const FULL = { repetitions: 3, warmup: 5, seconds: 4, idleConnections: 9000 }
const QUICK = { repetitions: 1, warmup: 0.3, seconds: 0.7, idleConnections: 200 }

/**
 * @returns `undefined` where help is asked for
 * @throws with what is wrong with the arguments
 */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      repetitions: { type: 'string' },
      warmup: { type: 'string' },
      seconds: { type: 'string' },
      only: { type: 'string' },
      peers: { type: 'string' },
      connections: { type: 'string' },
      programs: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const defaults = values.quick ? QUICK : FULL
  return {
    repetitions: number('repetitions', values.repetitions, defaults.repetitions, 1, 100, Number.isInteger),
    warmup: number('warmup', values.warmup, defaults.warmup, 0, 600),
    seconds: number('seconds', values.seconds, defaults.seconds, 0.1, 600),
    idleConnections: number('connections', values.connections, defaults.idleConnections, 1, 100_000, Number.isInteger),
    only: names('only', values.only, [...CASES, { name: ROUTING }]),
    peers: names('peers', values.peers, PEERS),
    programs: values.programs,
    quick: values.quick,
  }
}

function number(
  name: string,
  text: string | undefined,
  fallback: number,
  min: number,
  max: number,
  fits: (value: number) => boolean = Number.isFinite,
): number {
  if (text === undefined) return fallback
  const value = Number(text)
  if (text.trim() === '' || !fits(value) || value < min || value > max) {
    throw new Error(
      `--${name} ${text}: expected a${fits === Number.isInteger ? ' whole' : ''} number from ${min} to ${max}`,
    )
  }
  return value
}

function names(
  option: string,
  text: string | undefined,
  known: readonly { readonly name: string }[],
): readonly string[] | undefined {
  if (text === undefined) return undefined
  const asked = text.split(',')
  for (const name of asked) {
    if (known.some(item => item.name === name)) continue
    throw new Error(`--${option} ${name}: expected some of ${known.map(item => item.name).join(', ')}`)
  }
  return asked
}

/** Why the results of a run are not for docs/performance.md; `undefined`: they are. */
export function unpublishable(options: Options, leftOut: readonly unknown[]): string | undefined {
  if (options.quick) return 'the run was quick'
  if (options.only || options.peers) return 'not everything was measured'
  if (options.programs !== undefined) return 'the programs are those of another checkout'
  if (leftOut.length > 0) return 'a peer was left out'
  if (options.repetitions < FULL.repetitions || options.warmup < FULL.warmup || options.seconds < FULL.seconds) {
    return `it takes ${FULL.repetitions} repetitions of ${FULL.seconds} s after ${FULL.warmup} s`
  }
  if (options.idleConnections < FULL.idleConnections) return `the idle case has ${FULL.idleConnections} connections`
  return undefined
}

/** Whether the cost of routing is measured. */
export const wantsRouting = ({ only, quick }: Options): boolean => only?.includes(ROUTING) ?? !quick
