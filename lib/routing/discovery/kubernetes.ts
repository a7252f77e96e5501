import { SIDECAR_PORT_NAME } from '../../service/names.ts'
import { type EndpointSlice, membersOfSlices } from './endpoint-slices.ts'
import { inClusterConfig, type KubeGet, kubeClient } from './kube/client.ts'
import { CollectionWatch } from './kube/watch.ts'
import type { MemberSource } from './source.ts'
import { realTiming, type Timing } from './timing.ts'

interface Options {
  /** Client for the API server; by default the in-cluster client. */
  readonly get?: KubeGet
  readonly timing?: Timing
}

/**
 * Members from the EndpointSlices of a Service. Changes arrive within milliseconds; the pod's service account needs
 * permission to list and watch `endpointslices` in that namespace.
 *
 * @param service `namespace/name`
 */
export function kubernetesSource(
  service: string,
  { get = getInCluster, timing = realTiming }: Options = {},
): MemberSource {
  const [namespace = '', name = ''] = service.split('/')
  return async (sink, signal) => {
    await new CollectionWatch<EndpointSlice>({
      get,
      path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
      labelSelector: `kubernetes.io/service-name=${name}`,
      timing,
      onItems(slices) {
        const { members, leaving, unready } = membersOfSlices(slices, SIDECAR_PORT_NAME)
        sink.answer(members, leaving, unready)
      },
      onError: error => sink.failed(new Error(`EndpointSlices of ${service}: ${error.message}`, { cause: error })),
    }).run(signal)
  }
}

// Configured per request, so that a process outside a cluster logs an error instead of exiting.
const getInCluster: KubeGet = async (path, signal) => kubeClient(inClusterConfig())(path, signal)
