import { direct } from './direct.ts'
import { haproxy } from './haproxy.ts'
import { nginx, nginx64k } from './nginx.ts'
import { nodeProxy } from './node-proxy.ts'
import { balancer, pods, podsOverHttp, sidecar } from './ours.ts'
import type { Peer } from './peer.ts'

/** All that are compared, in the order of the tables. */
export const PEERS: readonly Peer[] = [
  direct,
  nginx,
  nginx64k,
  haproxy,
  nodeProxy,
  balancer,
  sidecar,
  pods,
  podsOverHttp,
]

/** The one that others are compared with. */
export const REFERENCE = nginx.name
