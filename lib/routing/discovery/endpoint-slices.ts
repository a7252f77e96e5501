import type { Member } from '../members.ts'
import { membersAt } from './endpoints.ts'
import type { KubeObject } from './kube/watch.ts'

/** The fields of a discovery.k8s.io/v1 EndpointSlice that are used here; all of them can be absent or null. */
export interface EndpointSlice extends KubeObject {
  readonly addressType?: string
  readonly ports?: readonly { readonly name?: string; readonly port?: number | null }[] | null
  readonly endpoints?: readonly SliceEndpoint[] | null
}

interface SliceEndpoint {
  readonly addresses?: readonly string[] | null
  readonly conditions?: { readonly ready?: boolean | null; readonly terminating?: boolean | null } | null
}

/** Who can be given users, and who is about to go; nobody is both. */
export interface Listed {
  readonly members: Member[]
  /** Names. */
  readonly leaving: ReadonlySet<string>
  /** Names of those that are neither: their pods are there, and not ready. */
  readonly unready: ReadonlySet<string>
}

/**
 * The members that the slices of one Service name. An endpoint counts unless it says that it is not ready or that it is
 * terminating: unknown readiness is to be read as ready, and with `publishNotReadyAddresses` a terminating one is "ready" too. A
 * terminating endpoint is told apart from one that is merely not ready: its users have to go. So its condition `serving` (KEP-1672) is
 * not read: while it serves they are moved, and when it does not they are moved all the same.
 */
export function membersOfSlices(slices: readonly EndpointSlice[], portName: string): Listed {
  const isLeaving = ({ conditions }: SliceEndpoint) => conditions?.terminating === true
  const isReady = ({ conditions }: SliceEndpoint) => conditions?.ready !== false
  const named = (which: (endpoint: SliceEndpoint) => boolean) => at(slices, portName, which).map(({ name }) => name)
  const leaving = new Set(named(isLeaving))
  // A pod can be in two slices for a moment, and only one of them is up to date; what terminates never gets ready again.
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
          // All addresses of an endpoint are the same pod; Kubernetes itself writes just one.
          .flatMap(({ addresses }) => (addresses ?? []).slice(0, 1))
          .map(address => ({ address, port }))
      )
    })
  return membersAt(endpoints)
}
