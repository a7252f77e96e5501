import type { Deployment as DeploymentObject } from 'kubernetes-types/apps/v1.d.ts'
import type { Service } from 'kubernetes-types/core/v1.d.ts'
import { API_VERSION, BALANCER_KIND, SIDECAR_PORT_NAME, SIDECAR_REVISION_ANNOTATION } from '../../lib/service/names.ts'
import { annotatedFields } from '../annotations/destinations.ts'
import type { DesiredSidecar } from '../apply/managed-fields.ts'
import { APP_PROTOCOL, targetLabels } from '../apply/object-labels.ts'
import { renderedPart } from '../apply/revision.ts'
import type { BalancerSpec } from '../composite/spec/balancer-spec.ts'
import type { Deployment } from '../requests/schemas.ts'
import { headlessService } from '../sidecar/container.ts'
import type { SidecarPlan } from './plan-sidecar.ts'

/**
 * The Deployment as its own attachment, with the sidecar only; without one, server-side apply removes the present sidecar. Made nowhere
 * else: without this ownerReference Metacontroller adds one that blocks the Deployment's deletion.
 */
export function selfAttachment(
  { metadata: { name, namespace, uid } }: Deployment,
  desired?: DesiredSidecar,
): DeploymentObject | PartialDeployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid }] },
    ...(desired && { spec: { template: { spec: { [desired.list]: [desired.sidecar] } } } }),
  }
}

/** The part of an existing Deployment that is applied; a whole one would have more required fields. */
interface PartialDeployment {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: object
  readonly spec?: object
}

/** The headless Service of the sidecars. The named target port leaves out pods that have no sidecar yet. */
export function headlessServiceObject(deployment: Deployment, { settings, ports }: SidecarPlan): Service {
  const { name, namespace } = deployment.metadata
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: headlessService(deployment, settings), namespace, labels: targetLabels(name) },
    spec: {
      clusterIP: 'None',
      selector: { ...deployment.spec.selector.matchLabels },
      ports: [
        {
          name: SIDECAR_PORT_NAME,
          port: ports.sidecar,
          targetPort: SIDECAR_PORT_NAME,
          protocol: 'TCP',
          appProtocol: APP_PROTOCOL,
        },
      ],
    },
  }
}

/**
 * The WebSocketBalancer that the annotations describe; absent annotations keep the balancer's own defaults.
 *
 * @param revision of the sidecar: the balancer is upgraded together with it
 */
export function balancerObject(
  { metadata: { name, namespace, uid } }: Deployment,
  { settings }: Pick<SidecarPlan, 'settings'>,
  revision: string,
) {
  const spec: BalancerSpec = {
    target: name,
    targetUID: uid,
    ...annotatedFields(settings),
  }
  return {
    apiVersion: API_VERSION,
    kind: BALANCER_KIND,
    metadata: {
      name,
      namespace,
      labels: targetLabels(name),
      annotations: { [SIDECAR_REVISION_ANNOTATION]: renderedPart(revision) },
    },
    spec,
  }
}
