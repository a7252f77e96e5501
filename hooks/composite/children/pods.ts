import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import type { Affinity, Container, ResourceRequirements } from 'kubernetes-types/core/v1.d.ts'
import { DEFAULT_ADMIN_PORT, DEFAULT_PORT } from '../../../lib/service/names.ts'
import { DEFAULTS } from '../../annotations/annotations.ts'
import type { Rendering } from '../../config.ts'
import {
  fromPod,
  PROGRAM_ARGS,
  probes,
  restrictedContainer,
  variables,
  waitBeforeStop,
} from '../../sidecar/container-defaults.ts'
import type { BalancerSpec } from '../spec/balancer-spec.ts'
import { backendService } from '../spec/read-spec.ts'
import { resourcesOf } from '../spec/resources.ts'
import { fieldVariables } from '../variables/balancer-fields.ts'
import type { BalancerVariable } from '../variables/variable-schema.ts'
import { type ChildMetadata, CONTAINER, PORT_NAME, selector } from './child-names.ts'

/** Seconds that a terminating balancer still accepts clients, until all nodes have removed it from their Service rules. */
const PRE_STOP_SECONDS = 5

/**
 * Seconds that a new balancer must be ready before old ones end: longer than all new ones take to become ready, on nodes that have
 * the image.
 */
const MIN_READY_SECONDS = 15

/** Seconds added to the balancer's own longest shutdown in its grace period. */
const GRACE_MARGIN_SECONDS = 5

/** Topology keys to spread over where possible; a pod with constraints of its own loses the cluster's defaults. */
const SPREAD_OVER = ['topology.kubernetes.io/zone', 'kubernetes.io/hostname']

/** The Deployment of the balancer's pods. @param replicas `undefined`: not set here */
export function deploymentObject(
  metadata: ChildMetadata,
  spec: BalancerSpec,
  replicas: number | undefined,
  rendering: Rendering,
): Deployment {
  const matchLabels = selector(metadata.name)
  const drain = spec.drainSeconds ?? DEFAULTS['drain-seconds']
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      ...(replicas !== undefined && { replicas }),
      selector: { matchLabels },
      // All new pods start first, then all old ones end: otherwise a client of an old pod could reconnect to the next old one. Each old
      // pod closes its clients at a limited pace.
      minReadySeconds: MIN_READY_SECONDS,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: '100%' } },
      template: {
        metadata: { labels: { ...spec.podLabels, ...metadata.labels } },
        spec: {
          serviceAccountName: metadata.name,
          // A Service named ws-operator would otherwise set WS_OPERATOR_PORT to something that is no port.
          enableServiceLinks: false,
          terminationGracePeriodSeconds: PRE_STOP_SECONDS + drain + GRACE_MARGIN_SECONDS,
          ...(spec.nodeSelector && { nodeSelector: spec.nodeSelector }),
          ...(spec.tolerations && { tolerations: spec.tolerations }),
          ...(spec.affinity && { affinity: spec.affinity as Affinity }),
          ...(spec.priorityClassName && { priorityClassName: spec.priorityClassName }),
          ...(spec.imagePullSecrets && { imagePullSecrets: spec.imagePullSecrets }),
          topologySpreadConstraints: SPREAD_OVER.map(topologyKey => ({
            maxSkew: 1,
            topologyKey,
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: { matchLabels },
          })),
          containers: [container(metadata.namespace, spec, drain, rendering)],
        },
      },
    },
  }
}

function container(
  namespace: string,
  spec: BalancerSpec,
  drain: number,
  { IMAGE, IMAGE_PULL_POLICY }: Rendering,
): Container {
  return {
    name: CONTAINER,
    image: spec.image ?? IMAGE,
    imagePullPolicy: IMAGE_PULL_POLICY,
    args: PROGRAM_ARGS.balancer,
    ports: [
      { name: PORT_NAME, containerPort: DEFAULT_PORT, protocol: 'TCP' },
      { name: 'admin', containerPort: DEFAULT_ADMIN_PORT, protocol: 'TCP' },
    ],
    env: [
      fromPod('WS_OPERATOR_INSTANCE', 'metadata.name'),
      ...variables<BalancerVariable>({
        DISCOVERY: 'kubernetes',
        SERVICE: `${namespace}/${backendService(spec)}`,
        TARGET: targetOf(namespace, spec),
        ...fieldVariables({ ...spec, drainSeconds: drain }),
      }),
    ],
    ...probes(),
    lifecycle: waitBeforeStop(PRE_STOP_SECONDS),
    resources: resourcesOf(spec.resources) as ResourceRequirements,
    securityContext: restrictedContainer(),
  }
}

/**
 * The Deployment whose sidecars the balancer expects. Unset with a Service of the user's: its pods may belong to several Deployments.
 */
const targetOf = (namespace: string, { target, targetUID, backend }: BalancerSpec): string | undefined =>
  backend && targetUID === undefined ? undefined : `${namespace}/${target}`
