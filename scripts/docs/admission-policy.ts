import { stringify } from 'yaml'
import { DEFAULT_IMAGE, type Rendering } from '../../hooks/config.ts'
import { sidecarContainer } from '../../hooks/sidecar/container.ts'
import {
  DEFAULT_ADMIN_PORT,
  DEFAULT_PORT,
  DOMAIN,
  ENABLE_LABEL,
  headlessServiceName,
  MANAGED_BY_LABEL,
  OPERATOR,
  SIDECAR_CONTAINER,
  SIDECAR_PORT_NAME,
} from '../../lib/service/names.ts'
import { celText, celValue } from './cel.ts'

const NAME = 'ws-operator-inject.ws.operator'
const LABELS = { 'app.kubernetes.io/part-of': OPERATOR }
const POD = 'object.spec.template.spec'

/** What stands in the rendered sidecar for what only the admission knows. */
const BLANKS = {
  '<name>': 'object.metadata.name',
  '<namespace>': 'request.namespace',
  '<image>': 'variables.sidecarImage',
  '<domain>': 'variables.clusterDomain',
  '<policy>': 'variables.imagePullPolicy',
  '99999': 'string(variables.appPort)',
}

/** The sidecar of a Deployment without annotations, rendered by the hooks themselves, with blanks. */
function sidecar(): string {
  const deployment = {
    apiVersion: 'apps/v1' as const,
    kind: 'Deployment' as const,
    metadata: { name: '<name>', namespace: '<namespace>', uid: '<uid>' },
    spec: { selector: {}, template: { spec: { containers: [] } } },
  }
  const ports = { app: 99_999, sidecar: DEFAULT_PORT, admin: DEFAULT_ADMIN_PORT }
  const rendering = {
    IMAGE: '<image>',
    IMAGE_PULL_POLICY: '<policy>',
    CLUSTER_DOMAIN: '<domain>',
    // With tokens, the hooks complete it.
    MASTER_KEY_FILE: [],
    TOKEN_REQUIRED: true,
  } as unknown as Rendering
  return celValue(
    sidecarContainer(deployment, {}, ports, rendering),
    'Object.spec.template.spec.initContainers',
    BLANKS,
  )
}

/** The app's container, where there is one alone. */
const APP = `${POD}.containers[0]`

/** Names of a port that need no more said for them. */
const PLAIN_NAMES = ['ws', 'websocket', 'http', 'web'] as const

const PROBES = ['readinessProbe', 'livenessProbe', 'startupProbe'] as const

/** A probe of the declared port, by number or by name, without TLS. */
const PLAIN_PROBE = (() => {
  const asks = (how: string) =>
    `(probe.${how}.port == ${APP}.ports[0].containerPort || probe.${how}.port == ${APP}.ports[0].name)`
  const http = `(!has(probe.httpGet) || (${asks('httpGet')} && (!has(probe.httpGet.scheme) || probe.httpGet.scheme == "HTTP")))`
  return `${http} && (!has(probe.tcpSocket) || ${asks('tcpSocket')})`
})()

const all = `(${POD}.containers + (has(${POD}.initContainers) ? ${POD}.initContainers : []))`
const longestName = 63 - headlessServiceName('').length

/** Where the hooks would inject for sure, and what they would: every other Deployment is left to them. */
const CONDITIONS = {
  'no-annotations': `!has(object.metadata.annotations) || !object.metadata.annotations.exists(name, name.startsWith("${DOMAIN}/"))`,
  'name-makes-service-names': `has(object.metadata.name) && object.metadata.name.matches("^[a-z]([-a-z0-9]*[a-z0-9])?$") && size(object.metadata.name) <= ${longestName}`,
  'not-ours': `!("${MANAGED_BY_LABEL}" in object.metadata.labels) || object.metadata.labels["${MANAGED_BY_LABEL}"] != "${OPERATOR}"`,
  'no-other-controller':
    '!has(object.metadata.ownerReferences) || !object.metadata.ownerReferences.exists(owner, has(owner.controller) && owner.controller)',
  'no-host-network': `!has(${POD}.hostNetwork) || !${POD}.hostNetwork`,
  // Those may be Guaranteed, and the sidecar has other resources then.
  'some-container-without-limits': `!${POD}.containers.all(container, has(container.resources) && has(container.resources.limits) && "cpu" in container.resources.limits && "memory" in container.resources.limits)`,
  'selector-of-labels':
    'has(object.spec.selector.matchLabels) && size(object.spec.selector.matchLabels) > 0 && (!has(object.spec.selector.matchExpressions) || size(object.spec.selector.matchExpressions) == 0)',
  'names-and-ports-free': `!${all}.exists(container, container.name == "${SIDECAR_CONTAINER}" || (has(container.ports) && container.ports.exists(port, port.containerPort in [${DEFAULT_PORT}, ${DEFAULT_ADMIN_PORT}] || (has(port.name) && port.name == "${SIDECAR_PORT_NAME}"))))`,
  'on-linux': `(!has(${POD}.os) || ${POD}.os.name != "windows") && (!has(${POD}.nodeSelector) || !("kubernetes.io/os" in ${POD}.nodeSelector) || ${POD}.nodeSelector["kubernetes.io/os"] != "windows")`,
  'no-resources-of-the-pod': `!has(${POD}.resources)`,
  'no-system': `request.namespace != "kube-system" && !("app.kubernetes.io/part-of" in object.metadata.labels && object.metadata.labels["app.kubernetes.io/part-of"] == "${OPERATOR}")`,
  // Where there is one port, whose name says no more than the hooks need to take it, and no probe names another one.
  'one-container-with-one-port': `size(${POD}.containers) == 1 && has(${APP}.ports) && size(${APP}.ports) == 1 && (!has(${APP}.ports[0].protocol) || ${APP}.ports[0].protocol == "TCP") && has(${APP}.ports[0].name) && ${APP}.ports[0].name in [${PLAIN_NAMES.map(celText).join(', ')}]`,
  'no-native-sidecar': `!has(${POD}.initContainers) || !${POD}.initContainers.exists(container, has(container.restartPolicy) && container.restartPolicy == "Always")`,
  'probes-of-that-port': `[${PROBES.map(probe => `has(${APP}.${probe}) ? [${APP}.${probe}] : []`).join(', ')}].all(probes, probes.all(probe, !has(probe.grpc) && ${PLAIN_PROBE}))`,
}

const VARIABLES = {
  // kustomization.yaml makes it the image of the hooks.
  sidecarImage: celText(DEFAULT_IMAGE),
  imagePullPolicy: celText('IfNotPresent'),
  clusterDomain: celText('cluster.local'),
  appPort: `${APP}.ports[0].containerPort`,
}

const named = (expressions: Readonly<Record<string, string>>) =>
  Object.entries(expressions).map(([name, expression]) => ({ name, expression }))

/** The policy that gives a new labelled Deployment its sidecar at once, and its binding. */
export function injectPolicy(): object[] {
  const list = '/spec/template/spec/initContainers'
  const apiVersion = 'admissionregistration.k8s.io/v1'
  return [
    {
      apiVersion,
      kind: 'MutatingAdmissionPolicy',
      metadata: { name: NAME, labels: LABELS },
      spec: {
        // What it cannot do, the hooks do.
        failurePolicy: 'Ignore',
        reinvocationPolicy: 'Never',
        matchConstraints: {
          objectSelector: { matchLabels: { [ENABLE_LABEL]: 'true' } },
          resourceRules: [
            { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] },
          ],
        },
        matchConditions: named(CONDITIONS),
        variables: named(VARIABLES),
        mutations: [
          {
            patchType: 'JSONPatch',
            jsonPatch: {
              expression: `(has(${POD}.initContainers) ? [] : [JSONPatch{op: "add", path: "${list}", value: []}]) + [JSONPatch{op: "add", path: "${list}/-", value: ${sidecar()}}]`,
            },
          },
        ],
      },
    },
    {
      apiVersion,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata: { name: NAME, labels: LABELS },
      spec: { policyName: NAME },
    },
  ]
}

export const injectPolicyYaml = (): string =>
  `# Generated by \`npm run docs\` from hooks/sidecar/container.ts.\n${injectPolicy()
    .map(object => stringify(object, { lineWidth: 120, compat: 'yaml-1.1' }))
    .join('---\n')}`
