import type { Container } from 'kubernetes-types/core/v1.d.ts'
import { DOMAIN, SIDECAR_CONTAINER } from '../../lib/service/names.ts'
import { findSidecar } from '../apply/managed-fields.ts'
import { failureOf } from '../composite/status/observed.ts'
import { OPERATOR_VERSION } from '../config.ts'
import type { Deployment } from '../requests/schemas.ts'
import { count, list, record } from '../requests/untyped.ts'

/**
 * Why pods of a rollout are missing: the message of Kubernetes where it has one (quota, LimitRange, Pod Security), else where to look,
 * such as the image of the sidecar.
 */
export function rolloutAdvice(deployment: Deployment): string[] {
  const { name, namespace } = deployment.metadata
  const failure = failureOf(list(record(deployment.status)['conditions']).map(record))
  if (!failure) return []
  if (failure.reason !== 'ProgressDeadlineExceeded')
    return [`No pod can be made (${failure.reason}): ${failure.message}`]
  const { image } = (findSidecar(deployment)?.container ?? {}) as { image?: unknown }
  return [
    `The rollout is stuck (ProgressDeadlineExceeded). See kubectl describe pods -n ${namespace}; if container ${SIDECAR_CONTAINER} does not start, check that its image ${image} can be pulled, else kubectl logs -n ${namespace} deployment/${name} -c ${SIDECAR_CONTAINER}.`,
  ]
}

/** Whether pods of the newest template are still missing. Metacontroller does not call when a Deployment's status changes. */
export function isRollingOut({ metadata, spec, status }: Deployment): boolean {
  const wanted = count((spec as { replicas?: unknown }).replicas ?? 1)
  const { observedGeneration, updatedReplicas, availableReplicas, replicas } = record(status)
  // The Deployment's controller has not observed it yet.
  if (observedGeneration === undefined) return false
  const seen = count(observedGeneration) >= (metadata.generation ?? 0)
  return !(seen && [updatedReplicas, availableReplicas, replicas].every(pods => count(pods ?? 0) === wanted))
}

/** Reports that this version has another sidecar, and how to get it. */
export function upgradeAdvice({ metadata: { name, namespace } }: Deployment, { image }: Container): string {
  return `ws-operator ${OPERATOR_VERSION} has another sidecar (image ${image}); it comes with the next rollout (kubectl rollout restart -n ${namespace} deployment/${name}), or at once with ${DOMAIN}/sidecar-upgrade: now.`
}
