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

/**
 * The members that the slices of one Service name. An endpoint counts unless it says that it is not ready or that it is
 * terminating: unknown readiness is to be read as ready, and with `publishNotReadyAddresses` a terminating one is "ready" too.
 */
export function membersOfSlices(slices: readonly EndpointSlice[], portName: string): Member[] {
  const endpoints = slices
    .filter(({ addressType }) => addressType === 'IPv4' || addressType === 'IPv6')
    .flatMap(slice => {
      const port = slice.ports?.find(({ name }) => name === portName)?.port
      if (port === undefined || port === null) return []
      return (
        (slice.endpoints ?? [])
          .filter(({ conditions }) => conditions?.ready !== false && conditions?.terminating !== true)
          // All addresses of an endpoint are the same pod; Kubernetes itself writes just one.
          .flatMap(({ addresses }) => (addresses ?? []).slice(0, 1))
          .map(address => ({ address, port }))
      )
    })
  return membersAt(endpoints)
}
