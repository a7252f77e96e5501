import type { EndCause } from '../../lib/bridge/bridge.ts'
import type { Outcome } from '../../sidecar/transport/outcome.ts'

/** Something that happened to users and their messages, as the programs' logs tell it. */
export type TrafficEvent =
  | { readonly kind: 'connected'; readonly user: string; readonly pod: string }
  | { readonly kind: 'disconnected'; readonly user: string; readonly code: number; readonly cause: EndCause }
  | {
      readonly kind: 'routed'
      readonly from: string
      readonly to: string
      readonly fromPod: string
      /** `undefined` where no pod was asked. */
      readonly toPod: string | undefined
      readonly outcome: Outcome
    }

export interface Counters {
  messages: number
  /** Messages that went from one pod to another. */
  crossed: number
  delivered: number
  undelivered: number
  /** Connections that did not end because the client wanted it. */
  cut: number
}

/** Where users are connected, and the outcomes of messages, read only from the logs of sidecars and balancers. */
export class Traffic {
  readonly counters: Counters = { messages: 0, crossed: 0, delivered: 0, undelivered: 0, cut: 0 }
  /** Users of a pod, with the number of their connections. */
  readonly #users = new Map<string, Map<string, number>>()
  /** Members that a program knows. */
  readonly #known = new Map<string, Set<string>>()

  /** Users who are connected to a pod, by name. */
  usersOn(pod: string): string[] {
    return [...(this.#users.get(pod)?.keys() ?? [])].sort()
  }

  /** Whether a program knows exactly these members. */
  knows(instance: string, members: readonly string[]): boolean {
    const known = this.#known.get(instance)
    return known !== undefined && known.size === members.length && members.every(member => known.has(member))
  }

  /** A pod is gone; it can not log any more that its users are. */
  forget(instance: string): void {
    this.#users.delete(instance)
    this.#known.delete(instance)
  }

  /**
   * Reads a line of a sidecar's or balancer's log.
   *
   * @param podOf the pod of a member
   */
  read(
    log: Readonly<Record<string, unknown>>,
    podOf: (member: string) => string | undefined,
  ): TrafficEvent | undefined {
    const { component, msg, user } = log
    const instance = String(log['instance'])
    if (msg === 'members changed') this.#learn(instance, log['added'] as string[], log['removed'] as string[])
    if (component === 'sidecar' && msg === 'routed') return this.#routed(instance, log, podOf)
    if (typeof user !== 'string') return undefined
    if (component === 'sidecar' && msg === 'connected') {
      this.#count(instance, user, 1)
      return { kind: 'connected', user, pod: instance }
    }
    if (component === 'sidecar' && msg === 'disconnected') this.#count(instance, user, -1)
    if (component === 'balancer' && msg === 'disconnected') {
      const cause = log['cause'] as EndCause
      if (cause !== 'client') this.counters.cut++
      return { kind: 'disconnected', user, code: Number(log['code']), cause }
    }
    return undefined
  }

  #routed(fromPod: string, log: Readonly<Record<string, unknown>>, podOf: (member: string) => string | undefined) {
    const toPod = typeof log['member'] === 'string' ? podOf(log['member']) : undefined
    const outcome = log['outcome'] as Outcome
    this.counters.messages++
    if (outcome === 'delivered') this.counters.delivered++
    else this.counters.undelivered++
    if (outcome === 'delivered' && toPod !== fromPod) this.counters.crossed++
    return { kind: 'routed', from: String(log['from']), to: String(log['recipient']), fromPod, toPod, outcome } as const
  }

  #count(pod: string, user: string, change: 1 | -1): void {
    const users = this.#users.get(pod) ?? new Map<string, number>()
    const count = (users.get(user) ?? 0) + change
    if (count > 0) users.set(user, count)
    else users.delete(user)
    this.#users.set(pod, users)
  }

  #learn(instance: string, added: readonly string[], removed: readonly string[]): void {
    const known = this.#known.get(instance) ?? new Set<string>()
    for (const member of added) known.add(member)
    for (const member of removed) known.delete(member)
    this.#known.set(instance, known)
  }
}
