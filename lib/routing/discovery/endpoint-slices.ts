import type { Member } from '../members.ts'
import { membersAt } from './endpoints.ts'
import type { KubeObject } from './kube/watch.ts'

/** The fields of a discovery.k8s.io/v1 EndpointSlice that are used here; each may be absent or null. */
export interface EndpointSlice extends KubeObject {
  readonly addressType?: string
  readonly ports?: readonly { readonly name?: string; readonly port?: number | null }[] | null
  readonly endpoints?: readonly SliceEndpoint[] | null
}

interface SliceEndpoint {
  readonly addresses?: readonly string[] | null
  readonly conditions?: { readonly ready?: boolean | null; readonly terminating?: boolean | null } | null
}

/** The members that can own users, and the pods that are leaving or not ready. A name is in one group only. */
export interface Listed {
  readonly members: Member[]
  /** Names of members that are leaving. */
  readonly leaving: ReadonlySet<string>
  /** Names of pods that exist but are neither ready nor leaving. */
  readonly unready: ReadonlySet<string>
}

/**
 * Reads the members from the slices of one Service. An endpoint is a member unless it is not ready or terminating:
 * unknown readiness counts as ready, and with `publishNotReadyAddresses` terminating endpoints are "ready" too.
 * Terminating endpoints are listed separately from unready ones, because their users must move. The condition `serving`
 * (KEP-1672) is ignored: users of a terminating endpoint are moved whether it serves or not.
 */
export function membersOfSlices(slices: readonly EndpointSlice[], portName: string): Listed {
  const isLeaving = ({ conditions }: SliceEndpoint) => conditions?.terminating === true
  const isReady = ({ conditions }: SliceEndpoint) => conditions?.ready !== false
  const named = (which: (endpoint: SliceEndpoint) => boolean) => at(slices, portName, which).map(({ name }) => name)
  const leaving = new Set(named(isLeaving))
  // A pod can briefly be in two slices, one of them outdated; a terminating pod never becomes ready again.
  const members = at(slices, portName, endpoint => !isLeaving(endpoint) && isReady(endpoint)).filter(
    ({ name }) => !leaving.has(name),
  )
  const other = new Set([...leaving, ...members.map(({ name }) => name)])
  const unready = new Set(named(endpoint => !isReady(endpoint)).filter(name => !other.has(name)))
  return { members, leaving, unready }
}

function at(slices: readonly EndpointSlice[], portName: string, which: (endpoint: SliceEndpoint) => boolean): Member[] {
  const endpoints = slices
    .filter(({ addressType }) => addressType === 'IPv4' || addressType === 'IPv6')
    .flatMap(slice => {
      const port = slice.ports?.find(({ name }) => name === portName)?.port
      if (port === undefined || port === null) return []
      return (
        (slice.endpoints ?? [])
          .filter(which)
          // All addresses of an endpoint belong to the same pod; Kubernetes writes only one.
          .flatMap(({ addresses }) => (addresses ?? []).slice(0, 1))
          .map(address => ({ address, port }))
      )
    })
  return membersAt(endpoints)
}
