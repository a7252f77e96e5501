import type { DialLimits } from '../../../lib/bridge/socket/dial.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'

/** Why a shadow has ended; `failed`: it never was one. */
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

/** Where shadows lead to, and their limits. */
export interface ShadowTarget extends DialLimits {
  readonly host: string
  readonly port: number
  readonly maxMessageBytes: number
  /** Of the memory that all of them take. */
  readonly memory: Allotment
}
