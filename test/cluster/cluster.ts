import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Api, isNotFound } from './api.ts'
import { kubectl, startProxy } from './kubectl.ts'
import { waitFor } from './wait.ts'

const root = join(import.meta.dirname, '../..')

const METACONTROLLER_API = 'metacontroller.k8s.io/v1alpha1'

/** The cluster that KUBECONFIG names, for one test file. */
export interface Cluster {
  readonly api: Api
  /** Makes a namespace of its own that enforces the restricted Pod Security Standard. @returns its name */
  namespace(): Promise<string>
  /** Adds what has to be undone; {@link close} undoes the newest first. */
  undo(step: () => Promise<unknown>): void
  /** Undoes everything that was done. @throws {AggregateError} after every step was tried */
  close(): Promise<void>
}

/** Connects to the cluster. @throws where KUBECONFIG is not set or nobody answers */
export async function connect(): Promise<Cluster> {
  if (!process.env['KUBECONFIG']) {
    throw new Error('KUBECONFIG is not set; these tests change a cluster, so it has to be named: npm run test:cluster')
  }
  const proxy = await startProxy()
  const steps: (() => Promise<unknown>)[] = [() => proxy.close()]
  const undo = (step: () => Promise<unknown>) => void steps.push(step)
  return {
    api: new Api(proxy.address),
    undo,
    async namespace() {
      const name = `ws-operator-test-${randomBytes(4).toString('hex')}`
      const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' }
      await kubectlApply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
      undo(() => deleteNamespace(name))
      return name
    },
    async close() {
      const errors: unknown[] = []
      for (const step of steps.reverse()) await step().catch(error => errors.push(error))
      if (errors.length > 0) throw new AggregateError(errors, `could not undo everything: ${errors.join('; ')}`)
    },
  }
}

/** Deletes a namespace that no test looks at any more, and waits until it is gone: pods get no time to hand their users over. */
async function deleteNamespace(name: string): Promise<void> {
  await kubectl(['delete', 'namespace', name, '--ignore-not-found', '--wait=false'])
  // A later deletion of a pod may shorten the grace period of an earlier one.
  await kubectl(['delete', 'pods', '--all', '-n', name, '--grace-period=1', '--wait=false'])
  await kubectl(['wait', '--for=delete', `namespace/${name}`, '--timeout=90s'], { limitMs: 100_000 })
}

/** Applies an object as a user would. */
export function kubectlApply(object: object): Promise<string> {
  return kubectl(['apply', '-f', '-'], { input: JSON.stringify(object) })
}

/** Brings Metacontroller's own custom resources where the cluster has none. @throws where nobody says which those are */
export async function ensureMetacontrollerCrds(cluster: Cluster): Promise<void> {
  const has = async () => await cluster.api.resource(METACONTROLLER_API, 'decoratorcontrollers')
  if (await has().catch(() => undefined)) return
  const file = process.env['METACONTROLLER_CRDS'] ?? join(root, '../shared/metacontroller/crds.yaml')
  if (!existsSync(file)) {
    throw new Error(
      `the cluster has no Metacontroller CRDs; set METACONTROLLER_CRDS to their file (${file} does not exist)`,
    )
  }
  await kubectl(['apply', '--server-side', '-f', file])
  cluster.undo(() => kubectl(['delete', '--ignore-not-found', '-f', file]))
  await waitFor('the API server serves the Metacontroller CRDs', has)
}

/** Deletes an object and waits until it is gone. */
export async function deleteAndWait(
  api: Api,
  [apiVersion, kind, namespace, name]: [string, string, string | undefined, string],
  limitMs = 60_000,
): Promise<void> {
  const resource = await api.resource(apiVersion, kind)
  const gone = (error: unknown) => {
    if (!isNotFound(error)) throw error
    return true
  }
  await api.delete(resource, namespace, name).catch(gone)
  await waitFor(`${kind} ${name} is gone`, () => api.get(resource, namespace, name).then(() => false, gone), limitMs)
}
