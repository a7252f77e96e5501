import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { type AppEvent, type Incident, podOf, type Truth, userOf } from './events.ts'
import type { Deliver } from './schedule.ts'

/** What was written so long before a pod was killed may still have been in flight to it, or unanswered inside it. */
export const BEFORE_MS = 1500
/** What is written so long after it may still be: until those who write to it have noticed, on a machine that is busy. */
export const AFTER_MS = 1000

/** Longest time from a device's new connection to the last message that came on both. */
const MOVING_MS = 3000

/** A connection of a client at the app of a pod. */
interface Stay {
  readonly pod: string
  readonly from: number
  readonly to: number
}

/** When a message was written: its first and its last byte. */
export interface Written {
  readonly begun: number
  readonly at: number
}

/** Says which lost messages may be lost, and why: only what was in flight to a part that was killed or cut off, or inside it. */
export class Excuses {
  readonly #incidents: readonly Incident[]
  readonly #truths: readonly { at: number; set: MemberSet; pods: ReadonlyMap<string, string> }[]
  readonly #stays = new Map<string, Stay[]>()
  readonly #connections = new Map<string, string[]>()

  constructor(apps: readonly AppEvent[], incidents: readonly Incident[], truths: readonly Truth[]) {
    this.#incidents = incidents
    this.#truths = truths.map(({ at, members }) => ({
      at,
      set: MemberSet.of([...members.keys()].map(parseMember)),
      pods: members,
    }))
    const closed = new Map(apps.flatMap(event => (event.e === 'app-close' ? [[event.link, event.at]] : [])))
    for (const event of apps) {
      if (event.e !== 'app-open' || event.shadow) continue
      const pod = podOf(event.link)
      // An app that is killed writes no end of its connections.
      const ends = incidents.filter(({ kind, ...other }) => other.pod === pod && kind !== 'cut' && other.to >= event.at)
      const to = Math.min(closed.get(event.link) ?? Infinity, ...ends.map(incident => incident.to))
      push(this.#stays, event.c, { pod, from: event.at, to })
      const user = userOf(event.c)
      if (!this.#connections.get(user)?.includes(event.c)) push(this.#connections, user, event.c)
    }
  }

  /** For what the connection `c` and its app write to each other. */
  ofStream(c: string, written: Written): string | undefined {
    return this.#near(written).find(incident => this.#wasThere(c, incident))?.kind
  }

  /** For what the app of a pod pushed. */
  ofPush(link: string, at: number): string | undefined {
    return this.#near({ begun: at, at }).find(({ pod }) => pod === podOf(link))?.kind
  }

  /** For what the connection `c` wrote to a user, by way of the user's app or not. */
  ofDirect(c: string, to: string, deliver: Deliver, written: Written): string | undefined {
    return this.#near(written).find(incident => {
      if (this.#wasThere(c, incident)) return true
      // What does not go through an app cannot be inside it.
      if ((incident.kind === 'kill-app' || incident.kind === 'exit') && deliver === 'client') return false
      const receivers = this.#connections.get(to) ?? []
      if (receivers.some(receiver => this.#wasThere(receiver, incident))) return true
      return incident.kind === 'kill' && this.#owned(to, incident)
    })?.kind
  }

  /**
   * For what came late of what the connection `c` wrote to a user: its app ended by itself, or the way there was cut, while the message
   * looked for its recipient, and the next one went another way.
   */
  ofLate(c: string, written: Written): string | undefined {
    // A sidecar that is killed too looks for nobody any more.
    const ends = this.#near(written).filter(({ kind }) => kind !== 'kill')
    return ends.find(incident => this.#wasThere(c, incident))?.kind
  }

  /**
   * For what a device got twice: the app of the pod that it was moved to had its new connection already, and another device of the same
   * user.
   */
  ofTwice(c: string, at: number): string | undefined {
    const user = userOf(c)
    const others = (this.#connections.get(user) ?? []).filter(other => other !== c)
    const moved = (this.#stays.get(c) ?? []).slice(1).filter(({ from }) => from <= at && at - from <= MOVING_MS)
    const isThere = ({ pod, from }: Stay) =>
      others.some(other => (this.#stays.get(other) ?? []).some(stay => stay.pod === pod && stay.to >= from - MOVING_MS))
    return moved.some(isThere) ? 'moved beside another device' : undefined
  }

  #near({ begun, at }: Written): Incident[] {
    return this.#incidents.filter(({ from, to }) => begun <= to + AFTER_MS && at >= from - BEFORE_MS)
  }

  #wasThere(c: string, { pod, from, to }: Incident): boolean {
    return (this.#stays.get(c) ?? []).some(
      stay => stay.pod === pod && stay.from <= to + AFTER_MS && stay.to >= from - BEFORE_MS,
    )
  }

  /** Whether the pod was the one that is asked for this user. */
  #owned(user: string, { pod, to }: Incident): boolean {
    const truth = this.#truths.findLast(({ at }) => at <= to)
    const owner = truth?.set.owner(user)?.name
    return owner !== undefined && truth?.pods.get(owner) === pod
  }
}

/** Adds to the list that a map has for a key. */
export function push<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list) list.push(value)
  else lists.set(key, [value])
}
