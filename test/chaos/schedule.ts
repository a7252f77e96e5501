import { Random } from './random.ts'

export const KINDS = ['rolling', 'scale', 'kill', 'pause', 'cut', 'stale', 'mixed'] as const
export type Kind = (typeof KINDS)[number]

export const DELIVERS = ['sender', 'app', 'client'] as const
export type Deliver = (typeof DELIVERS)[number]

/** One thing that is done, `at` ms after the traffic has begun. */
export type Step =
  /** A new pod; it becomes a member when it is ready. */
  | { readonly at: number; readonly act: 'start'; readonly pod: string }
  /** Ends a pod as Kubernetes does, but not before the pod `after` is a member. */
  | { readonly at: number; readonly act: 'drain'; readonly pod: string; readonly after?: string }
  /** SIGKILL of the sidecar and the app; the lists of members forget it after `noticeMs`. */
  | { readonly at: number; readonly act: 'kill'; readonly pod: string; readonly noticeMs: number }
  /** SIGKILL of the app alone, which starts again after `downMs`. */
  | { readonly at: number; readonly act: 'kill-app'; readonly pod: string; readonly downMs: number }
  | {
      readonly at: number
      readonly act: 'pause'
      readonly pod: string
      readonly part: 'sidecar' | 'app'
      readonly forMs: number
    }
  /** Cuts what goes to the sidecar: connections of clients (from balancers), or links (from other sidecars). */
  | { readonly at: number; readonly act: 'cut'; readonly pod: string; readonly what: 'clients' | 'links' }
  /** For `forMs`, bytes to the sidecar and from it take `delayMs` longer. */
  | {
      readonly at: number
      readonly act: 'delay'
      readonly pod: string
      readonly delayMs: number
      readonly forMs: number
    }

/** How late balancers and sidecars learn of a change of members, each for itself. */
export interface Staleness {
  readonly leastMs: number
  readonly mostMs: number
  /** Whether an older list may come after a newer one. */
  readonly disorder: boolean
  /** Share of the lists in which one member is missing for a while. */
  readonly forget: number
}

/** All that a seed decides. */
export interface Plan {
  readonly kind: Kind
  readonly seed: number
  /** Pods that are there from the beginning. */
  readonly pods: readonly string[]
  /** In the order of their times. */
  readonly steps: readonly Step[]
  /** Sleep in the app's preStop; 0: it has none. */
  readonly preStopMs: number
  /** What the app does on SIGTERM. */
  readonly onTerm: 'exit' | 'close'
  readonly deliver: Deliver
  /** Whether senders are told what became of their addressed messages. */
  readonly receipts: boolean
  /** Whether a relay is before each sidecar, which can cut and delay. */
  readonly relay: boolean
  readonly staleness: Staleness
}

const FRESH: Staleness = { leastMs: 50, mostMs: 800, disorder: false, forget: 0 }
const STALE: Staleness = { leastMs: 0, mostMs: 8000, disorder: true, forget: 0.2 }
/** Enough for the sidecar's own preStop to start its process and hand all over, also on a machine that has other things to do. */
export const PRE_STOP_MS = 4000
/** The first step; by then users have written to each other. */
const FIRST_MS = 1500

const POD_COUNT: Readonly<Record<Kind, number>> = {
  rolling: 3,
  scale: 2,
  kill: 4,
  pause: 3,
  cut: 3,
  stale: 2,
  mixed: 3,
}

/**
 * What a seed means: the same for the same arguments.
 *
 * @param preStopMs sleep of the app where the seed gives it one
 */
export function planOf(kind: Kind, seed: number, seconds: number, preStopMs = PRE_STOP_MS): Plan {
  const random = new Random(seed)
  const ownPreStop = random.chance(0.75)
  const relay = kind === 'cut' || (kind === 'mixed' && random.chance(0.5))
  const script = new Script(random.fork('steps'), POD_COUNT[kind], seconds * 1000, relay)
  const pods = [...script.alive]
  PLAYS[kind](script)
  return {
    kind,
    seed,
    pods,
    steps: script.steps.sort((a, b) => a.at - b.at),
    preStopMs: ownPreStop ? preStopMs : 0,
    onTerm: random.pick(['exit', 'close']),
    deliver: random.pick(['sender', 'client', 'sender', 'app']),
    receipts: random.chance(0.5),
    relay,
    staleness: kind === 'stale' ? STALE : kind === 'mixed' ? { ...FRESH, mostMs: random.int(500, 4000) } : FRESH,
  }
}

/** Steps in the making, and the pods that are there at this point of them. */
class Script {
  readonly steps: Step[] = []
  readonly alive: string[]
  readonly random: Random
  readonly relay: boolean
  readonly #endMs: number
  #pods: number
  #at = FIRST_MS

  constructor(random: Random, pods: number, endMs: number, relay: boolean) {
    this.random = random
    this.relay = relay
    this.#endMs = endMs
    this.#pods = pods
    this.alive = Array.from({ length: pods }, (_, i) => `p${i + 1}`)
  }

  get running(): boolean {
    return this.#at < this.#endMs
  }

  wait(leastMs: number, mostMs: number): void {
    this.#at += this.random.int(leastMs, mostMs)
  }

  start(): string {
    const pod = `p${++this.#pods}`
    this.alive.push(pod)
    this.steps.push({ at: this.#at, act: 'start', pod })
    return pod
  }

  drain(pod = this.pick(), after?: string): string {
    this.#remove(pod)
    this.steps.push({ at: this.#at, act: 'drain', pod, ...(after !== undefined && { after }) })
    return pod
  }

  kill(pod = this.pick()): void {
    this.#remove(pod)
    this.steps.push({ at: this.#at, act: 'kill', pod, noticeMs: this.random.int(500, 3000) })
  }

  killApp(): void {
    this.steps.push({ at: this.#at, act: 'kill-app', pod: this.pick(), downMs: this.random.int(300, 1500) })
  }

  pause(): void {
    const part = this.random.pick(['sidecar', 'app'] as const)
    this.steps.push({ at: this.#at, act: 'pause', pod: this.pick(), part, forMs: this.random.int(500, 2000) })
  }

  cut(): void {
    const what = this.random.pick(['clients', 'links', 'links'] as const)
    this.steps.push({ at: this.#at, act: 'cut', pod: this.pick(), what })
  }

  delay(): void {
    const [delayMs, forMs] = [this.random.int(20, 300), this.random.int(500, 2000)]
    this.steps.push({ at: this.#at, act: 'delay', pod: this.pick(), delayMs, forMs })
  }

  pick(): string {
    return this.random.pick(this.alive)
  }

  #remove(pod: string): void {
    this.alive.splice(this.alive.indexOf(pod), 1)
  }
}

function roll(script: Script): void {
  for (const pod of [...script.alive]) {
    if (!script.running) return
    script.drain(pod, script.start())
    script.wait(1500, 3500)
  }
}

function scale(script: Script): void {
  for (let n = 0; n < 3; n++) script.start()
  script.wait(3500, 5000)
  script.drain()
  script.drain()
  script.wait(3000, 5000)
}

/** Killed, and replaced as a ReplicaSet does it. */
function crash(script: Script): void {
  if (script.random.chance(0.5)) {
    script.kill()
    script.start()
  } else script.killApp()
  script.wait(3500, 5000)
}

function pause(script: Script): void {
  script.pause()
  // Longer than any pause, so that the same process is not stopped twice.
  script.wait(2100, 2800)
}

function disturb(script: Script): void {
  if (script.random.chance(0.5)) script.cut()
  else script.delay()
  script.wait(700, 2200)
}

function drainTwo(script: Script): void {
  const old = [...script.alive]
  const first = script.random.pick(old)
  const second = script.random.pick(old.filter(pod => pod !== first))
  script.drain(first, script.start())
  script.drain(second, script.start())
  script.wait(3000, 4500)
}

function drainDuringScaleUp(script: Script): void {
  script.drain()
  script.start()
  script.start()
  script.wait(3000, 4500)
}

function killDuringDrain(script: Script): void {
  const fresh = [script.start(), script.start()]
  script.wait(1500, 2500)
  // Old ones both, so that one is killed while it takes over from the other.
  script.drain(script.random.pick(script.alive.filter(pod => !fresh.includes(pod))))
  script.wait(50, 1200)
  script.kill()
  script.wait(3500, 5000)
}

function repeat(play: (script: Script) => void): (script: Script) => void {
  return script => {
    while (script.running) play(script)
  }
}

const PLAYS: Readonly<Record<Kind, (script: Script) => void>> = {
  rolling: repeat(roll),
  scale: repeat(script => {
    scale(script)
    // Back to two, for the next round.
    if (script.running) script.drain()
    script.wait(2500, 4000)
  }),
  kill: repeat(crash),
  pause: repeat(pause),
  cut: repeat(disturb),
  stale: repeat(script => {
    scale(script)
    roll(script)
    while (script.alive.length > 2) script.drain()
  }),
  mixed: repeat(script => {
    const plays = [drainTwo, drainDuringScaleUp, killDuringDrain, crash, pause, ...(script.relay ? [disturb] : [])]
    script.random.pick(plays)(script)
    // Pods come and go in equal numbers over time.
    while (script.alive.length > 5) script.drain()
  }),
}
