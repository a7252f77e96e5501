import { SIDECAR_CONTAINER, SIDECAR_PORT_NAME } from '../../lib/service/names.ts'

/** Reasons to give a Deployment no sidecar, with their meaning. */
export const REFUSALS = {
  'managed-by': 'The Deployment belongs to ws-operator itself.',
  system: 'The Deployment is a part of ws-operator or in a namespace of Kubernetes.',
  controlled: 'Another controller owns the Deployment and would undo the injection.',
  annotations: 'An annotation is invalid; the message names all invalid ones.',
  'host-network':
    "The pods use the network of their node (`hostNetwork: true`), so the sidecar's ports would be the node's.",
  'container-name': `A container named \`${SIDECAR_CONTAINER}\` exists that ws-operator did not make.`,
  'port-name': `A container of the app has a port named \`${SIDECAR_PORT_NAME}\`.`,
  selector: "The Deployment's selector contains more than labels, which a Service cannot express.",
  name: "The Deployment's name plus suffix is not a valid name of a Service.",
  'headless-service':
    'The name in `ws.operator/headless-service` could be that of a Service of yours, which the hooks would take over.',
  'app-port': 'No container port has the name in `ws.operator/app-port`.',
  'ambiguous-port':
    'Several ports of the app could serve WebSockets, or none could; the message names them. Set `ws.operator/app-port`.',
  'port-taken': 'No port is free for the sidecar.',
  windows: 'The pods run on Windows, which the sidecar does not support.',
  'no-account-token':
    '`ws.operator/discovery: kubernetes` needs a token that `automountServiceAccountToken: false` withholds.',
  'pod-resources': "The pod's own resources (`spec.template.spec.resources`) are too small for the sidecar.",
  'field-conflict':
    'The sidecar needs another port or mode, but another field manager also owns it, so the API server would refuse the change. The message names the manager.',
} as const

export type Refusal = { readonly reason: keyof typeof REFUSALS; readonly message: string }
