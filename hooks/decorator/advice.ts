import { DOMAIN, USER_HEADER } from '../../lib/service/names.ts'
import { ANNOTATIONS, DEFAULTS, type Settings, SHUTDOWN_SECONDS } from '../annotations/annotations.ts'
import type { Deployment } from '../requests/schemas.ts'
import { record } from '../requests/untyped.ts'
import { appContainers, type PortsFound, tcpPorts } from '../sidecar/ports.ts'

/** Recommendations to the user, in whole sentences; the Deployment gets its sidecar without them, too. */
export const advise = (deployment: Deployment, settings: Settings, ports: Omit<PortsFound, 'ok'>): string[] => [
  ...aboutRollouts(deployment),
  ...aboutPorts(ports),
  ...aboutAnnotations(deployment),
  ...aboutUsers(settings),
  ...aboutRehome(settings),
  ...aboutEnding(deployment, settings, ports),
  ...aboutDelivery(settings),
  ...aboutDiscovery(deployment, settings),
]

function aboutRollouts({ metadata: { name, namespace }, spec }: Deployment): string[] {
  const { paused, strategy } = record(spec)
  return [
    ...(paused === true
      ? [
          `The Deployment is paused: its pods get the sidecar when it is resumed (kubectl rollout resume -n ${namespace} deployment/${name}).`,
        ]
      : []),
    ...(record(strategy)['type'] === 'Recreate'
      ? [
          'With strategy Recreate each rollout ends all pods, and with them all connections, before it starts new ones. Use RollingUpdate, so that clients keep their connections.',
        ]
      : []),
  ]
}

function aboutPorts({ ports, guessed, choice }: Omit<PortsFound, 'ok'>): string[] {
  if (!guessed) return choice ? [choice] : []
  return [
    `No container declares a TCP port, and no probe names one. ws-operator assumes that the app listens on ${ports.app}, and that ${ports.sidecar} and ${ports.admin} are free for the sidecar. Declare the ports, or set ws.operator/app-port.`,
  ]
}

/** Annotations of the pod template are ignored: a change of one rolls the pods, even where it concerns the balancer only. */
function aboutAnnotations({ spec: { template } }: Deployment): string[] {
  const { annotations } = record(record(template)['metadata'])
  const ours = Object.keys(ANNOTATIONS).map(name => `${DOMAIN}/${name}`)
  const found = Object.keys(record(annotations))
    .filter(name => ours.includes(name))
    .sort()
  if (found.length === 0) return []
  return [
    `${found.join(', ')} ${found.length > 1 ? 'are' : 'is'} on the pod template, which ws-operator does not read: move ${found.length > 1 ? 'them' : 'it'} to metadata.annotations of the Deployment.`,
  ]
}

/** Few apps name their users where the default looks, and without a user nothing fails: it only looks as if all was done. */
function aboutUsers({ 'routing-key': routingKey }: Settings): string[] {
  if (routingKey !== undefined) return []
  return [
    `Users are known by header ${USER_HEADER} or query parameter user. If your clients name them elsewhere, set ws.operator/routing-key.`,
  ]
}

/** Only the owner knows whether another pod can go on with a client as it is. */
function aboutRehome({ balancer, rehome, 'rehome-hello': hello }: Settings): string[] {
  if (balancer === 'none') return []
  if (hello === 'first-text' && rehome !== 'transparent')
    return [
      'ws.operator/rehome-hello has an effect only with ws.operator/rehome: transparent: other clients that have sent a message are closed with 1012, so that they connect again.',
    ]
  if (rehome === 'transparent')
    return [
      'Clients are moved without noticing (rehome: transparent): the app must know each of them by its handshake.',
    ]
  if (rehome !== undefined) return []
  return [
    'When a pod ends, its clients that have sent a message are closed with 1012, so that they connect again. If the app knows each client by its handshake, set ws.operator/rehome: transparent, and they keep their sockets.',
  ]
}

function aboutEnding({ spec }: Deployment, settings: Settings, { ports }: Omit<PortsFound, 'ok'>): string[] {
  const pod = spec.template.spec
  const drain = settings['drain-seconds'] ?? DEFAULTS['drain-seconds']
  const needed = drain + SHUTDOWN_SECONDS
  const { terminationGracePeriodSeconds: grace = 30 } = pod
  const apps = appContainers(pod)
  const app = apps.find(one => tcpPorts(one).some(({ containerPort }) => containerPort === ports.app)) ?? apps[0]
  return [
    ...(needed > grace
      ? [
          `Set terminationGracePeriodSeconds to ${needed} or more (it is ${grace}), or ws.operator/drain-seconds to less (it is ${drain}): at the end of the grace period the pod is killed, with all connections that are still open.`,
        ]
      : []),
    ...(app && !app.lifecycle?.preStop
      ? [
          `Add lifecycle.preStop.sleep of 5 s to container ${app.name}: it gets SIGTERM at once and may end before its users are handed over.`,
        ]
      : []),
  ]
}

function aboutDelivery({ deliver, route }: Settings): string[] {
  if ((deliver !== 'app' && deliver !== 'client') || route === 'outbound') return []
  return [
    `ws.operator/deliver: ${deliver} lets any client speak in another's name. Use it only if the app does not take a message's sender from the connection.`,
  ]
}

function aboutDiscovery({ metadata, spec }: Deployment, { discovery }: Settings): string[] {
  const { dnsPolicy, serviceAccountName: account = 'default' } = record(spec.template.spec)
  if (discovery === 'kubernetes') {
    return [
      `ServiceAccount ${account} must be allowed to get, list and watch endpointslices (discovery.k8s.io) in namespace ${metadata.namespace}.`,
    ]
  }
  if (dnsPolicy !== 'None' && dnsPolicy !== 'Default') return []
  return [
    `With dnsPolicy ${dnsPolicy} the pods may be unable to resolve names of the cluster. The sidecars find each other by DNS: without it, messages do not reach other pods. Use dnsPolicy ClusterFirst, or set ws.operator/discovery to kubernetes.`,
  ]
}
