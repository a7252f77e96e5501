import { overlay } from '../helpers/kustomize.ts'
import { type Cluster, ensureMetacontrollerCrds } from './cluster.ts'
import { loadImages } from './images.ts'
import { kubectl } from './kubectl.ts'
import { loadMetacontroller } from './metacontroller-image.ts'
import { SYSTEM_NAMESPACE } from './operator.ts'

const LIMIT_MS = 150_000

/** Everything that has to be on the cluster before `kubectl apply -k manifests/with-metacontroller`. */
export async function prepare(cluster: Cluster, say: (line: string) => void): Promise<void> {
  await ensureMetacontrollerCrds(cluster)
  await loadImages(say)
  await loadMetacontroller()
}

/** Installs ws-operator with components and with Metacontroller inside of the cluster, nothing patched. */
export async function installInCluster(cluster: Cluster, components: readonly string[]): Promise<void> {
  const { folder, remove } = overlay('with-metacontroller', components)
  cluster.undo(async () => {
    await kubectl(['delete', '-k', folder, '--ignore-not-found', '--timeout=120s'], { limitMs: LIMIT_MS })
    remove()
  })
  await kubectl(['apply', '-k', folder])
  await rolledOutAll()
}

/** Waits until everything in the operator's namespace is rolled out. */
export async function rolledOutAll(namespace = SYSTEM_NAMESPACE): Promise<void> {
  const names = await kubectl(['get', 'deployments', '-n', namespace, '-o', 'name'])
  for (const name of names.trim().split('\n'))
    await kubectl(['rollout', 'status', '-n', namespace, name, '--timeout=120s'], { limitMs: LIMIT_MS })
}
