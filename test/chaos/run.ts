import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pause } from '../../local/wait.ts'
import { type Findings, newFindings, note } from './findings.ts'
import { judge, type Verdict } from './ledger.ts'
import { now } from './messages.ts'
import { type Move, movesOf } from './moves.ts'
import type { Options } from './options.ts'
import { sumOutcomes } from './outcomes.ts'
import { Random } from './random.ts'
import { Recorder, readAppEvents } from './recorder.ts'
import { type Plan, planOf } from './schedule.ts'
import { Stage } from './stage.ts'
import { Device } from './user.ts'

/** Longest time after the traffic in which what is on its way may still arrive. */
const SETTLE_MS = 20_000
/** Pushes are on their way that long at most when users leave. */
const LEAVE_MS = 1500
const PUSH_MS = 400

export interface Result extends Verdict {
  readonly plan: Plan
  readonly users: number
  readonly seconds: number
  readonly moves: readonly Move[]
  readonly outcomes: Record<string, number>
  /** Where logs and events are; they are removed after a run without violations. */
  readonly folder: string
}

/** Runs one seed from its first pod to its verdict. */
export async function run(options: Options, say: (line: string) => void): Promise<Result> {
  const seeded = planOf(options.schedule, options.seed, options.seconds, options.preStopMs)
  const plan = options.deliver ? { ...seeded, deliver: options.deliver } : seeded
  const folder = await mkdtemp(join(tmpdir(), `ws-operator-chaos-${options.schedule}-${options.seed}-`))
  await writeFile(join(folder, 'plan.json'), JSON.stringify(plan, undefined, 2))
  const extra = newFindings()
  const began = now()
  const story: string[] = []
  const tell = (line: string) => {
    const timed = `+${((now() - began) / 1000).toFixed(1)} s  ${line}`
    story.push(`${Math.round(now())} ${timed}`)
    say(timed)
  }
  const crashed = (what: string) => {
    tell(`CRASHED: ${what}`)
    note(extra.crashed, what)
  }
  const stage = await Stage.open({ plan, folder, pushMs: PUSH_MS, fault: options.fault, say: tell, crashed })
  const recorder = new Recorder()
  const devices = devicesOf(options, stage.balancers, recorder)
  try {
    await Promise.all(devices.map(device => device.connect()))
    tell(
      `${devices.length} connections of ${options.users} users, ${plan.pods.length} pods, deliver to ${plan.deliver}`,
    )
    for (const device of devices) device.talk()
    await playAll(stage, plan, options.seconds * 1000)
    await Promise.all(devices.map(device => device.quiet()))
    tell('the users listen')
    await settle(stage, recorder)
    const endAt = now() - LEAVE_MS
    const outcomes = await countOutcomes(stage)
    for (const device of devices) device.close()
    await writeFile(join(folder, 'clients.json'), JSON.stringify(recorder.events))
    await writeFile(join(folder, 'incidents.json'), JSON.stringify(stage.incidents))
    const apps = await readAppEvents(folder)
    const { truths, incidents } = stage
    const { deliver, receipts } = plan
    const verdict = judge({ clients: recorder.events, apps, incidents, truths, deliver, receipts, endAt })
    checkOutcomes(verdict, outcomes, incidents.length > 0)
    const { users, seconds } = options
    const findings = { ...verdict.findings, crashed: extra.crashed } satisfies Findings
    const moves = movesOf(truths, apps)
    return { ...verdict, findings, plan, users, seconds, moves, outcomes: Object.fromEntries(outcomes), folder }
  } finally {
    await writeFile(join(folder, 'story.txt'), `${story.join('\n')}\n`)
    for (const device of devices) device.terminate()
    await stage.close()
  }
}

/** Removes what a run has written. */
export const clean = (folder: string): Promise<void> => rm(folder, { recursive: true, force: true })

function devicesOf({ seed, users: count, pauseMs }: Options, balancers: string[], recorder: Recorder): Device[] {
  const random = new Random(seed).fork('users')
  const users = Array.from({ length: count }, (_, i) => `u${i + 1}`)
  return users.flatMap((user, i) =>
    // Every fifth user has two devices.
    Array.from({ length: i % 5 === 0 ? 2 : 1 }, (_, n) => {
      const name = `${user}/${n}`
      return new Device({ name, balancers, users, pauseMs, random: random.fork(name), recorder })
    }),
  )
}

/** Resolves when the time is over and so are all steps. */
async function playAll(stage: Stage, plan: Plan, ms: number): Promise<void> {
  const began = now()
  const playing: Promise<void>[] = []
  for (const step of plan.steps) {
    await pause(Math.max(0, began + step.at - now()))
    playing.push(stage.play(step))
  }
  await pause(Math.max(0, began + ms - now()))
  await Promise.all(playing)
}

/** Waits until everything has arrived and every program knows the members, for a bounded time. */
async function settle(stage: Stage, recorder: Recorder): Promise<void> {
  const deadline = now() + SETTLE_MS
  while (now() < deadline && !(recorder.open === 0 && stage.settled)) await pause(100)
  await pause(LEAVE_MS)
}

async function countOutcomes(stage: Stage): Promise<Map<string, number>> {
  const pods = [...stage.pods.values()]
  await Promise.all(pods.filter(pod => !pod.ending).map(pod => pod.scrape()))
  return sumOutcomes(pods.flatMap(({ outcomes }) => outcomes ?? []))
}

/** Every addressed message has exactly one outcome; where a pod was killed or cut off, its part of them is not known. */
function checkOutcomes({ sent, findings }: Verdict, outcomes: ReadonlyMap<string, number>, someUnknown: boolean): void {
  const counted = [...outcomes.values()].reduce((sum, n) => sum + n, 0)
  const difference = sent.directs - counted
  if (difference === 0 || (difference > 0 && someUnknown)) return
  note(
    findings.unanswered,
    `${sent.directs} addressed messages were sent, ${counted} outcomes counted`,
    Math.abs(difference),
  )
}
