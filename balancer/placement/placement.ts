import type { Bridge } from '../../lib/bridge/bridge.ts'

/** What the balancer remembers of a connection. */
export interface Placement {
  /** Of the connection, as its pods know it. */
  readonly id: string
  /** Whom the client's handshake names; the app may have named another one in its answer. */
  readonly claimed: string | undefined
  /** `undefined`: nobody knows, so the connection is on any member and cannot be addressed. */
  readonly user: string | undefined
  /** What the member is chosen by: the user, or something random. */
  readonly key: string
  /** Name of the member that serves it. */
  member: string
  /** The handshake, as the upstream got it: the next one gets the same. */
  handshake: Buffer
  /** The sub-protocol that the app chose: the next one has to choose the same. */
  protocol: string | undefined
  /** The app said that it ended this connection by its own will. */
  endedByApp: boolean
  /** Times it lost its upstream, since `losingSince` (ms of `performance.now()`). */
  losses: number
  losingSince: number
  /** When it lost the last one: an orphan's time begins there, however long it waits for its turn. */
  lostAt: number
}

/** A client's connection through the balancer. */
export type Connection = Bridge<Placement>

/** A client may lose its upstream so often in so long; more, and it is the app that does not want it. */
const MAX_LOSSES = 5
const LOSSES_MS = 60_000

export const newPlacement = (begun: Pick<Placement, 'id' | 'user' | 'key' | 'member'>): Placement => ({
  ...begun,
  claimed: begun.user,
  handshake: Buffer.alloc(0),
  protocol: undefined,
  endedByApp: false,
  losses: 0,
  losingSince: 0,
  lostAt: 0,
})

/** Notes the loss of an upstream; `false` when there were too many. */
export function withinLossBudget(placement: Placement, now: number): boolean {
  placement.lostAt = now
  if (now - placement.losingSince > LOSSES_MS) {
    placement.losses = 0
    placement.losingSince = now
  }
  return ++placement.losses <= MAX_LOSSES
}
