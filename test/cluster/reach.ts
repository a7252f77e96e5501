import { connect } from 'node:net'
import type { Cluster } from './cluster.ts'
import { startPortForward } from './kubectl.ts'
import { waitFor } from './wait.ts'

const CONNECT_LIMIT_MS = 2000
/** A Service that was made a moment ago takes a little until the nodes route it. */
const ROUTED_LIMIT_MS = 5000

/**
 * An address of a Service that this machine can connect to: its cluster IP where that is routed, else a forwarded port.
 *
 * @returns host:port
 */
export async function reach(cluster: Cluster, namespace: string, name: string): Promise<string> {
  const service = await cluster.api.get(await cluster.api.resource('v1', 'services'), namespace, name)
  const { clusterIP, ports } = service['spec'] as { clusterIP: string; ports: { port: number }[] }
  const port = ports[0]?.port ?? 0
  const routed = waitFor(`${name} is routed`, () => connects(clusterIP, port), ROUTED_LIMIT_MS)
  if (await routed.catch(() => false)) return `${clusterIP}:${port}`
  const forward = await startPortForward(namespace, `service/${name}`, port)
  cluster.undo(forward.close)
  return forward.address
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
