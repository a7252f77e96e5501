import type { Container as SidecarContainer } from 'kubernetes-types/core/v1.d.ts'
import { ENABLE_LABEL, OPERATOR } from '../../lib/service/names.ts'
import type { Settings } from '../annotations/annotations.ts'
import type { Deployment } from '../requests/schemas.ts'
import { record } from '../requests/untyped.ts'
import { podResourcesProblem } from './pod-resources.ts'
import type { Refusal } from './refusals.ts'

/** Namespaces of Kubernetes itself: a cluster must not need ws-operator to start or to resolve names. */
const SYSTEM_NAMESPACES: ReadonlySet<string> = new Set(['kube-system', 'kube-public', 'kube-node-lease'])

const PART_OF_LABEL = 'app.kubernetes.io/part-of'

/** Refuses Deployments of ws-operator and of Kubernetes. */
export function refuseSystem({ metadata }: Deployment): Refusal | undefined {
  if (metadata.labels?.[PART_OF_LABEL] === OPERATOR) {
    const message = `This Deployment is a part of ws-operator, which must not depend on itself. Remove the label ${ENABLE_LABEL}.`
    return { reason: 'system', message }
  }
  if (SYSTEM_NAMESPACES.has(metadata.namespace)) {
    const message = `Namespace ${metadata.namespace} belongs to Kubernetes, which must not depend on ws-operator. Remove the label ${ENABLE_LABEL}.`
    return { reason: 'system', message }
  }
  return undefined
}

/** Refuses pods in which the sidecar could not run. */
export function refuseUnsupported(
  { spec }: Deployment,
  settings: Settings,
  sidecar: SidecarContainer,
): Refusal | undefined {
  const pod = spec.template.spec
  const { os, nodeSelector, automountServiceAccountToken } = record(pod)
  if (record(os)['name'] === 'windows' || record(nodeSelector)['kubernetes.io/os'] === 'windows') {
    const message = `The pods run on Windows, for which there is no sidecar. Run the app on Linux, or remove the label ${ENABLE_LABEL}.`
    return { reason: 'windows', message }
  }
  if (settings.discovery === 'kubernetes' && automountServiceAccountToken === false) {
    const message =
      'ws.operator/discovery: kubernetes needs the token of the ServiceAccount, and the pod template has automountServiceAccountToken: false. Remove one of them: ws.operator/discovery: dns needs no token.'
    return { reason: 'no-account-token', message }
  }
  const resources = podResourcesProblem(pod, sidecar)
  return resources === undefined ? undefined : { reason: 'pod-resources', message: resources }
}
