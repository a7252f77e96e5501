import { TOPOLOGY_HEADERS } from '../service/names.ts'
import type { Fields } from './handshake.ts'
import type { WireConfig } from './proxy-settings.ts'

/** What clients may know of the pods and addresses behind a program. */
export interface Topology {
  readonly isExposed: boolean
  /** Lower-case names of response fields that do not pass, whether an upstream or this program sets them. */
  readonly hidden: ReadonlySet<string>
  /** Response fields of answers that this program gives by itself. */
  readonly own: Fields
}

const NOTHING: ReadonlySet<string> = new Set()

/** @param own response fields that name this program */
export const topologyOf = ({ EXPOSE_TOPOLOGY }: Pick<WireConfig, 'EXPOSE_TOPOLOGY'>, own: Fields): Topology =>
  EXPOSE_TOPOLOGY ? { isExposed: true, hidden: NOTHING, own } : { isExposed: false, hidden: TOPOLOGY_HEADERS, own: {} }
