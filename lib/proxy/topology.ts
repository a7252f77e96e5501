import { TOPOLOGY_HEADERS } from '../service/names.ts'
import type { Fields } from './handshake.ts'
import type { WireConfig } from './proxy-settings.ts'

/** Whether and how clients learn about the pods and addresses behind a program. */
export interface Topology {
  readonly isExposed: boolean
  /** Lower-case names of response fields that clients must not get, from an upstream or from this program. */
  readonly hidden: ReadonlySet<string>
  /** Response fields on this program's own answers. */
  readonly own: Fields
}

const NOTHING: ReadonlySet<string> = new Set()

/** @param own response fields that name this program */
export const topologyOf = ({ EXPOSE_TOPOLOGY }: Pick<WireConfig, 'EXPOSE_TOPOLOGY'>, own: Fields): Topology =>
  EXPOSE_TOPOLOGY ? { isExposed: true, hidden: NOTHING, own } : { isExposed: false, hidden: TOPOLOGY_HEADERS, own: {} }
