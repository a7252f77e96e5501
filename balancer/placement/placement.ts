import type { Bridge } from '../../lib/bridge/bridge.ts'
import type { SessionProtocol } from '../../lib/session/known-protocols.ts'
import type { Reason } from '../rehome/rehome-metrics.ts'

/** The balancer's state of a connection. */
export interface Placement {
  /** Id of the connection, which its pods know too. */
  readonly id: string
  /** User named by the client's handshake; the app may have named another user in its response. */
  readonly claimed: string | undefined
  /** `undefined`: unknown, so any member may serve the connection, and it cannot be addressed. */
  readonly user: string | undefined
  /** Key for choosing the member: the user, or a random value. */
  readonly key: string
  /** Name of the member that serves the connection. */
  member: string
  /** Handshake as the upstream received it; the next upstream gets the same one. */
  handshake: Buffer
  /** Sub-protocol chosen by the app; the next upstream must choose the same one. */
  protocol: string | undefined
  /** The client's protocol, if its sessions live in one app process. */
  session: SessionProtocol | undefined
  /** When it was last moved (ms of `performance.now()`), and why. */
  lastMove: { readonly at: number; readonly reason: Reason } | undefined
  /** The app's sidecar reported that the app ended this connection on purpose. */
  endedByApp: boolean
  /** Number of upstream losses since `losingSince` (ms of `performance.now()`). */
  losses: number
  losingSince: number
  /** Time of the last loss: an orphan's time limit starts here, however long it waits in a queue. */
  lostAt: number
}

/** A client's connection through the balancer. */
export type Connection = Bridge<Placement>

/** Maximum number of upstream losses per `LOSSES_MS`; more losses mean that the app rejects this client. */
const MAX_LOSSES = 5
const LOSSES_MS = 60_000

export const newPlacement = (begun: Pick<Placement, 'id' | 'user' | 'key' | 'member'>): Placement => ({
  ...begun,
  claimed: begun.user,
  handshake: Buffer.alloc(0),
  protocol: undefined,
  session: undefined,
  lastMove: undefined,
  endedByApp: false,
  losses: 0,
  losingSince: 0,
  lostAt: 0,
})

/** Records the loss of an upstream; `false` if the client has exceeded its loss budget. */
export function withinLossBudget(placement: Placement, now: number): boolean {
  placement.lostAt = now
  if (now - placement.losingSince > LOSSES_MS) {
    placement.losses = 0
    placement.losingSince = now
  }
  return ++placement.losses <= MAX_LOSSES
}
