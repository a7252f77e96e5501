import { SIDECAR_CONTAINER, SIDECAR_PORT_NAME } from '../../lib/service/names.ts'

/** Why a Deployment gets no sidecar: the reasons, and what each means. */
export const REFUSALS = {
  'managed-by': 'The Deployment belongs to ws-operator itself.',
  system: 'The Deployment is a part of ws-operator or in a namespace of Kubernetes.',
  controlled: 'Another controller owns the Deployment and would undo the injection.',
  annotations: 'An annotation cannot be used; the message names all of them.',
  'host-network':
    "The pods have the network of their node (`hostNetwork: true`), so the sidecar's ports would be the node's.",
  'container-name': `A container named \`${SIDECAR_CONTAINER}\` exists that ws-operator did not make.`,
  'port-name': `A container of the app has a port named \`${SIDECAR_PORT_NAME}\`.`,
  selector: "The Deployment's selector is more than labels, which a Service cannot express.",
  name: "The Deployment's name makes no valid name of a Service.",
  'headless-service':
    'The name in `ws.operator/headless-service` could be that of a Service of yours, which would be taken over.',
  'app-port': 'No container port has the name that `ws.operator/app-port` gives.',
  'ambiguous-port':
    'Several ports of the app could be the one that takes WebSockets, or none: the message names them; `ws.operator/app-port` says which.',
  'port-taken': 'No port is free for the sidecar.',
  windows: 'The pods run on Windows, for which there is no sidecar.',
  'no-account-token':
    '`ws.operator/discovery: kubernetes` needs a token that `automountServiceAccountToken: false` keeps away.',
  'pod-resources': "The pod's own resources (`spec.template.spec.resources`) are too small for the sidecar.",
  'field-conflict':
    'Another field manager also owns the sidecar, which is to get another port or mode; the API server would refuse that. The message names the manager.',
} as const

export type Refusal = { readonly reason: keyof typeof REFUSALS; readonly message: string }
