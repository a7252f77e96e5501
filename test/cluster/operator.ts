import { join } from 'node:path'
import type { KubeObject } from './api.ts'
import { type Cluster, ensureMetacontrollerCrds } from './cluster.ts'
import { loadImages } from './images.ts'
import { kubectl } from './kubectl.ts'
import { type Metacontroller, startMetacontroller } from './metacontroller.ts'
import { reach } from './reach.ts'
import { rolledOut } from './rollout.ts'
import { waitFor } from './wait.ts'

export const MANIFESTS = join(import.meta.dirname, '../../manifests')
/** What Metacontroller may do, as users install it: a program that plays its part in the tests has these rights and no others. */
export const METACONTROLLER_RIGHTS = join(MANIFESTS, 'with-metacontroller/rbac.yaml')
export const SYSTEM_NAMESPACE = 'ws-operator-system'
const HOOKS = 'ws-operator-hooks'

export interface Operator {
  readonly metacontroller: Metacontroller
  /** Calls of a hook so far, on all its pods. */
  calls(hook: string): Promise<number>
  /** Has the hooks give pods another image, as a new version does. */
  useImage(image: string): Promise<void>
}

/**
 * Installs ws-operator as a user does, with Metacontroller as a process on this machine.
 *
 * @param how.manifests the kustomization that is applied
 * @param how.recorder see {@link startMetacontroller}
 */
export async function install(
  cluster: Cluster,
  say: (line: string) => void,
  { manifests = MANIFESTS, recorder }: { manifests?: string; recorder?: string } = {},
): Promise<Operator> {
  await ensureMetacontrollerCrds(cluster)
  await loadImages(say)
  await kubectl(['apply', '-k', manifests])
  cluster.undo(() => uninstall(manifests))
  say(
    `Metacontroller runs outside of the cluster, without its DNS: the controllers' hook URLs are patched to ${await callHooks(cluster)}`,
  )
  await kubectl(['apply', '-f', METACONTROLLER_RIGHTS])
  const metacontroller = await startMetacontroller(recorder)
  cluster.undo(metacontroller.stop)
  say(`Metacontroller's part is played by: ${metacontroller.name}`)
  return {
    metacontroller,
    calls: hook => countCalls(cluster, hook),
    async useImage(image) {
      await kubectl(['set', 'env', '-n', SYSTEM_NAMESPACE, `deployment/${HOOKS}`, `WS_OPERATOR_IMAGE=${image}`])
      await callHooks(cluster)
    },
  }
}

/** Waits until the hooks of the latest revision run alone, and has them called where they are. @returns their address */
async function callHooks(cluster: Cluster): Promise<string> {
  await rolledOut(cluster, SYSTEM_NAMESPACE, HOOKS)
  await waitFor('no older hooks answer', async () => {
    const pods = await allPodsOf(cluster, SYSTEM_NAMESPACE, `app.kubernetes.io/name=${HOOKS}`)
    return pods.every(({ metadata }) => !metadata.deletionTimestamp)
  })
  const address = await reach(cluster, SYSTEM_NAMESPACE, HOOKS)
  for (const kind of ['DecoratorController', 'CompositeController']) await patchHooks(cluster, kind, address)
  return address
}

/** Removes ws-operator as a user does. */
export async function uninstall(manifests = MANIFESTS): Promise<void> {
  for (const what of [
    ['-k', manifests],
    ['-f', METACONTROLLER_RIGHTS],
  ]) {
    await kubectl(['delete', ...what, '--ignore-not-found', '--timeout=120s'], { limitMs: 150_000 })
  }
}

async function patchHooks({ api }: Cluster, kind: string, address: string): Promise<void> {
  const resource = await api.resource('metacontroller.k8s.io/v1alpha1', kind)
  const controller = await waitFor(`the ${kind} is there`, () => api.get(resource, undefined, 'ws-operator'))
  for (const hook of Object.values(controller['spec'].hooks) as { webhook: { url: string } }[]) {
    hook.webhook.url = `http://${address}${new URL(hook.webhook.url).pathname}`
  }
  await api.put(resource, controller)
}

async function countCalls(cluster: Cluster, hook: string): Promise<number> {
  const counts = await Promise.all(
    (await podsOf(cluster, SYSTEM_NAMESPACE, `app.kubernetes.io/name=${HOOKS}`)).map(({ metadata: { name } }) =>
      metric(SYSTEM_NAMESPACE, name, 'ws_operator_hook_requests_total', `hook="${hook}"`),
    ),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

/** Pods, also those on their way out. */
export async function allPodsOf({ api }: Cluster, namespace: string, labelSelector: string): Promise<KubeObject[]> {
  return (await api.list(await api.resource('v1', 'pods'), namespace, labelSelector)).items
}

/** Pods that are not on their way out. */
export async function podsOf(cluster: Cluster, namespace: string, labelSelector: string): Promise<KubeObject[]> {
  return (await allPodsOf(cluster, namespace, labelSelector)).filter(({ metadata }) => !metadata.deletionTimestamp)
}

/** Sum of a metric's samples on one pod's admin port, of those with a given label where one is given. */
export async function metric(namespace: string, pod: string, name: string, label = ''): Promise<number> {
  // The API server passes it on, so this works wherever kubectl does.
  const text = await kubectl(['get', '--raw', `/api/v1/namespaces/${namespace}/pods/${pod}:9090/proxy/metrics`])
  return text
    .split('\n')
    .filter(line => (line.startsWith(`${name} `) || line.startsWith(`${name}{`)) && line.includes(label))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}
