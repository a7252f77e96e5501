import type { DialLimits } from '../../../lib/bridge/socket/dial.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'

/** Why a shadow has ended; `failed`: it was never opened. */
export const SHADOW_ENDS = [
  'sender',
  'idle',
  'evicted',
  'own',
  'device',
  'app',
  'broken',
  'shutdown',
  'failed',
] as const
export type ShadowEnd = (typeof SHADOW_ENDS)[number]

/** The endpoint of all shadows, and their limits. */
export interface ShadowTarget extends DialLimits {
  readonly host: string
  readonly port: number
  readonly maxMessageBytes: number
  /** Memory shared by all shadows. */
  readonly memory: Allotment
}
