import type { Demo } from '../demo.ts'
import type { PodState } from '../pods/pod.ts'
import type { Counters } from '../scenario/traffic.ts'
import { ownerOf } from '../scenario/users.ts'

/** Pods that the buttons of the page go between. */
export const MIN_PODS = 1
export const MAX_PODS = 5

export interface PageUser {
  readonly name: string
  readonly pod: string
  /** The pod that the user would be connected to now; not `pod` where members have changed since. */
  readonly owner: string
}

/** All that the page shows, as one value. */
export interface PageState {
  readonly pods: readonly { readonly name: string; readonly ip: string; readonly state: PodState }[]
  readonly balancer: { readonly name: string; readonly state: PodState; readonly url: string } | undefined
  /** Whom the page chats as. */
  readonly chatters: readonly string[]
  readonly users: readonly PageUser[]
  readonly counters: Readonly<Counters>
  readonly busy: string | undefined
  readonly canScaleUp: boolean
  readonly canScaleDown: boolean
}

export function pageState(demo: Demo, chatters: readonly string[]): PageState {
  const { chat, traffic, members } = demo
  const balancer = demo.balancer?.pods.at(-1)
  const users = chat.pods.flatMap(pod =>
    traffic.usersOn(pod.name).map(name => {
      const owner = ownerOf(name, members)
      return { name, pod: pod.name, owner: (owner && demo.podOf(owner)?.name) ?? pod.name }
    }),
  )
  return {
    pods: chat.pods.map(({ name, facts, state }) => ({ name, ip: facts.ip, state })),
    balancer: balancer && { name: balancer.name, state: balancer.state, url: demo.url },
    chatters,
    users,
    counters: { ...traffic.counters },
    busy: chat.busy,
    canScaleUp: chat.busy === undefined && chat.replicas < MAX_PODS,
    canScaleDown: chat.busy === undefined && chat.replicas > MIN_PODS,
  }
}
