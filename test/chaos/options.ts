import { parseArgs } from 'node:util'
import { FAULTS, type Fault } from './app.ts'
import { DELIVERS, type Deliver, KINDS, type Kind, PRE_STOP_MS } from './schedule.ts'

export const HELP = `node scripts/with-deps.mjs test/chaos/main.ts [OPTION ...]

Users write to an app and to each other, by way of two balancers, while pods come, go, stand still and die as a seed says. Then it counts what
was lost, doubled, reordered or misrouted. All programs are processes of this machine, at 127.0.x.y.

  --seed N         what happens, and when (1)
  --schedule KIND  ${KINDS.join(', ')} (rolling)
  --seconds N      of traffic; steps that have begun are waited for (20)
  --users N        every fifth of them with two devices (60)
  --pause MS       mean pause between two messages of a device (250)
  --pre-stop MS    sleep in the app's preStop, for the seeds (three of four) that give it one (${PRE_STOP_MS})
  --deliver WHERE  ${DELIVERS.join(', ')} (as the seed says)
  --json           one JSON object on standard output instead of the table; progress goes to standard error
  --keep           keep logs and events even if nothing is wrong
  --fault FAULT    what the app does wrong on purpose, to see that it is noticed: ${FAULTS.join(', ')}
  --help           this text

Exit code 1: something happened that must not. Then logs, what each end saw and the plan are kept, and it says where. 2: bad arguments.
`

export interface Options {
  readonly seed: number
  readonly schedule: Kind
  readonly seconds: number
  readonly users: number
  readonly pauseMs: number
  readonly preStopMs: number
  readonly deliver: Deliver | undefined
  readonly json: boolean
  readonly keep: boolean
  readonly fault: Fault
}

/**
 * @returns `undefined` where help is asked for
 * @throws {Error} with what is wrong with the arguments
 */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      schedule: { type: 'string', default: 'rolling' },
      seconds: { type: 'string', default: '20' },
      users: { type: 'string', default: '60' },
      pause: { type: 'string', default: '250' },
      'pre-stop': { type: 'string', default: String(PRE_STOP_MS) },
      deliver: { type: 'string' },
      json: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      fault: { type: 'string', default: 'none' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  return {
    seed: number('seed', values.seed, 0, 0xffff_ffff),
    schedule: one('schedule', values.schedule, KINDS),
    seconds: number('seconds', values.seconds, 1, 3600),
    users: number('users', values.users, 2, 2000),
    pauseMs: number('pause', values.pause, 1, 60_000),
    preStopMs: number('pre-stop', values['pre-stop'], 0, 60_000),
    deliver: values.deliver === undefined ? undefined : one('deliver', values.deliver, DELIVERS),
    json: values.json,
    keep: values.keep,
    fault: one('fault', values.fault, FAULTS),
  }
}

/** The command that runs the same again. */
export function commandOf({ seed, schedule, seconds, users, pauseMs, preStopMs, fault, deliver }: Options): string {
  const extra = (fault === 'none' ? '' : ` --fault ${fault}`) + (deliver ? ` --deliver ${deliver}` : '')
  return `node scripts/with-deps.mjs test/chaos/main.ts --seed ${seed} --schedule ${schedule} --seconds ${seconds} --users ${users} --pause ${pauseMs} --pre-stop ${preStopMs}${extra}`
}

function number(name: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < least || value > most) {
    throw new Error(`--${name} ${text}: expected a whole number from ${least} to ${most}`)
  }
  return value
}

function one<T extends string>(name: string, text: string, known: readonly T[]): T {
  const found = known.find(item => item === text)
  if (!found) throw new Error(`--${name} ${text}: expected one of ${known.join(', ')}`)
  return found
}
