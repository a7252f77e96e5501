import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import type { Container, Service, ServiceAccount } from 'kubernetes-types/core/v1.d.ts'
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts'
import type { Role, RoleBinding } from 'kubernetes-types/rbac/v1.d.ts'
import type { BalancerConfig } from '../balancer/config.ts'
import { balancerChildName, DEFAULT_ADMIN_PORT, DEFAULT_PORT, headlessServiceName } from '../lib/service/names.ts'
import { DEFAULTS } from './annotations.ts'
import { APP_PROTOCOL, targetLabels } from './attachments.ts'
import type { BalancerSpec } from './balancer-spec.ts'
import type { Rendering } from './config.ts'
import { fromPod, literal, PROGRAM_ARGS, probes, restrictedContainer, variables, waitBeforeStop } from './pod.ts'

/** Port of a balancer's Service, unless its spec says another. */
export const DEFAULT_SERVICE_PORT = 80

/** Name of the balancer's port in its pods. */
const PORT_NAME = 'ws'

/** Seconds that a balancer which is to end still takes clients: until every node has forgotten it. */
const PRE_STOP_SECONDS = 5

/** Seconds that the kubelet waits longer than the balancer itself takes at most. */
const GRACE_MARGIN_SECONDS = 5

interface Balancer {
  readonly name: string
  readonly namespace: string
}

/** Everything that is made for a WebSocketBalancer: six objects, all with the same name. */
export function balancerObjects({ name, namespace }: Balancer, spec: BalancerSpec, rendering: Rendering) {
  const child = balancerChildName(name)
  const metadata = { name: child, namespace, labels: { ...selector(child), ...targetLabels(spec.target) } }
  const account: ServiceAccount = { apiVersion: 'v1', kind: 'ServiceAccount', metadata }
  const role: Role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata,
    rules: [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['get', 'list', 'watch'] }],
  }
  const binding: RoleBinding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    // Cannot be changed later, so it may depend on nothing but the name.
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: child },
    subjects: [{ kind: 'ServiceAccount', name: child, namespace }],
  }
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: {
      selector: selector(child),
      ports: [
        {
          name: PORT_NAME,
          port: spec.servicePort ?? DEFAULT_SERVICE_PORT,
          targetPort: PORT_NAME,
          protocol: 'TCP',
          appProtocol: APP_PROTOCOL,
        },
      ],
    },
  }
  const budget: PodDisruptionBudget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata,
    spec: { maxUnavailable: 1, selector: { matchLabels: selector(child) } },
  }
  return [account, role, binding, deployment(metadata, spec, rendering), service, budget]
}

/** Cannot be changed later either. */
const selector = (child: string): Record<string, string> => ({
  'app.kubernetes.io/name': 'ws-operator-balancer',
  'app.kubernetes.io/instance': child,
})

function deployment(
  metadata: { name: string; namespace: string; labels: Record<string, string> },
  spec: BalancerSpec,
  rendering: Rendering,
): Deployment {
  const matchLabels = selector(metadata.name)
  const drain = spec.drainSeconds ?? DEFAULTS['drain-seconds']
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: spec.replicas ?? DEFAULTS['balancer-replicas'],
      selector: { matchLabels },
      // Clients of a balancer that ends need another one to go to.
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
      template: {
        metadata: { labels: metadata.labels },
        spec: {
          serviceAccountName: metadata.name,
          // A Service named ws-operator would otherwise set WS_OPERATOR_PORT to something that is no port.
          enableServiceLinks: false,
          terminationGracePeriodSeconds: PRE_STOP_SECONDS + drain + GRACE_MARGIN_SECONDS,
          topologySpreadConstraints: [
            {
              maxSkew: 1,
              topologyKey: 'kubernetes.io/hostname',
              whenUnsatisfiable: 'ScheduleAnyway',
              labelSelector: { matchLabels },
            },
          ],
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
    name: 'balancer',
    image: spec.image ?? IMAGE,
    imagePullPolicy: IMAGE_PULL_POLICY,
    args: PROGRAM_ARGS.balancer,
    ports: [
      { name: PORT_NAME, containerPort: DEFAULT_PORT, protocol: 'TCP' },
      { name: 'admin', containerPort: DEFAULT_ADMIN_PORT, protocol: 'TCP' },
    ],
    env: [
      fromPod('WS_OPERATOR_INSTANCE', 'metadata.name'),
      ...variables<keyof BalancerConfig>({
        DISCOVERY: 'kubernetes',
        SERVICE: `${namespace}/${spec.backend?.service ?? headlessServiceName(spec.target)}`,
        ROUTING_KEY: literal(spec.routing?.key),
        ON_MISSING_KEY: spec.routing?.onMissing,
        REHOME: spec.rehome,
        REHOME_HELLO: spec.rehomeHello,
        REBALANCE: spec.rebalance?.policy,
        REBALANCE_DELAY_SECONDS: spec.rebalance?.delaySeconds,
        MAX_MOVES_PER_SECOND: spec.rebalance?.maxMovesPerSecond,
        SHUTDOWN_SECONDS: drain,
        LOG_LEVEL: spec.logLevel,
      }),
    ],
    ...probes(),
    lifecycle: waitBeforeStop(PRE_STOP_SECONDS),
    resources: { requests: { cpu: '50m', memory: '192Mi' }, limits: { memory: '512Mi' } },
    securityContext: restrictedContainer(),
  }
}
