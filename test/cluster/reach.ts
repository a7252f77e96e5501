import { connect } from 'node:net'
import type { Cluster } from './cluster.ts'
import { startPortForward } from './kubectl.ts'
import { ROLLOUT_MS } from './rollout.ts'
import { waitFor } from './wait.ts'

const CONNECT_LIMIT_MS = 2000
/** A pod that has just become ready takes a little until the nodes route its Service to it. */
const ROUTED_LIMIT_MS = 15_000
const LOOPBACK = '127.0.0.1'

/**
 * An address of a Service that this machine can connect to: its cluster IP where that is routed, else a forwarded port. Waits until the
 * Service has a ready pod: without one, a cluster IP looks as if it were not routed.
 *
 * @returns host:port
 */
export async function reach(cluster: Cluster, namespace: string, name: string): Promise<string> {
  const service = await cluster.api.get(await cluster.api.resource('v1', 'services'), namespace, name)
  const { clusterIP, ports } = service['spec'] as { clusterIP: string; ports: { port: number }[] }
  const port = ports[0]?.port ?? 0
  await waitFor(`${name} has a ready pod`, () => hasReadyPod(cluster, namespace, name), ROLLOUT_MS)
  const routed = waitFor(`${name} is routed`, () => connects(clusterIP, port), ROUTED_LIMIT_MS)
  if (await routed.catch(() => false)) return `${clusterIP}:${port}`
  const forward = await startPortForward(namespace, `service/${name}`, port)
  cluster.undo(forward.close)
  return forward.address
}

/** Whether an address of {@link reach} leads to one pod of the Service, for as long as that pod lives: kubectl forwards ports so. */
export function leadsToOnePod(address: string): boolean {
  return address.startsWith(`${LOOPBACK}:`)
}

async function hasReadyPod({ api }: Cluster, namespace: string, service: string): Promise<boolean> {
  const slices = await api.resource('discovery.k8s.io/v1', 'endpointslices')
  const { items } = await api.list(slices, namespace, `kubernetes.io/service-name=${service}`)
  const endpoints = items.flatMap(slice => (slice['endpoints'] ?? []) as { conditions?: { ready?: boolean } }[])
  return endpoints.some(({ conditions }) => conditions?.ready)
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port })
    const end = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.setTimeout(CONNECT_LIMIT_MS, () => end(false))
    socket.on('connect', () => end(true)).on('error', () => end(false))
  })
}
