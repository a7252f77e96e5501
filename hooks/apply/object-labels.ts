import { MANAGED_BY_LABEL, OPERATOR, TARGET_LABEL } from '../../lib/service/names.ts'

/** `appProtocol` of a Service port for WebSockets, read by meshes and gateways (KEP-3726). */
export const APP_PROTOCOL = 'kubernetes.io/ws'

/** Labels on everything that is made for a Deployment. */
export const targetLabels = (target: string): Record<string, string> => ({
  [MANAGED_BY_LABEL]: OPERATOR,
  [TARGET_LABEL]: target,
})
