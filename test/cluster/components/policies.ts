import { build, type Manifest } from '../../helpers/kustomize.ts'
import type { Cluster } from '../cluster.ts'
import { kubectl } from '../kubectl.ts'
import { waitFor } from '../wait.ts'

const API = 'admissionregistration.k8s.io/v1'

/** Whether the API server knows a kind of policy, else why a test is skipped. */
export async function lacks({ api }: Cluster, kind: string): Promise<string | false> {
  return await api.resource(API, kind).then(
    () => false,
    () => `this cluster's API server has no ${kind} in ${API}`,
  )
}

/**
 * Installs the policies of a component, and waits until the API server evaluates them.
 *
 * @param works looks for something that only the policies do
 */
export async function usePolicies(cluster: Cluster, component: string, works: () => Promise<unknown>): Promise<void> {
  const policies = build('.', component).filter(({ kind }: Manifest) => /AdmissionPolicy/.test(kind))
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: policies })
  await kubectl(['apply', '-f', '-'], { input })
  cluster.undo(() => kubectl(['delete', '--ignore-not-found', '-f', '-'], { input }))
  await waitFor(`the policies of ${component} are at work`, works)
}

/** What the API server says to `kubectl create` of an object that it does not keep. @throws its refusal */
export async function dryCreate(namespace: string, object: object): Promise<Manifest> {
  const args = ['create', '--dry-run=server', '-o', 'json', '-n', namespace, '-f', '-']
  return JSON.parse(await kubectl(args, { input: JSON.stringify(object) }))
}
