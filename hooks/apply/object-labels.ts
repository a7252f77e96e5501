import { MANAGED_BY_LABEL, OPERATOR, TARGET_LABEL } from '../../lib/service/names.ts'

/** What WebSockets are called in Services, for meshes and gateways (KEP-3726). */
export const APP_PROTOCOL = 'kubernetes.io/ws'

/** Labels on everything that is made for a Deployment. */
export const targetLabels = (target: string): Record<string, string> => ({
  [MANAGED_BY_LABEL]: OPERATOR,
  [TARGET_LABEL]: target,
})
