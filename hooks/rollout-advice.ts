import type { Container } from 'kubernetes-types/core/v1.d.ts'
import { DOMAIN, SIDECAR_CONTAINER } from '../lib/service/names.ts'
import { OPERATOR_VERSION } from './config.ts'
import { findSidecar } from './ownership.ts'
import type { Deployment } from './schemas.ts'

/**
 * What to look at where Kubernetes has given up waiting for a rollout: with a sidecar in the template, its image may be why. A
 * Deployment does not say what keeps its pods from starting.
 */
export function rolloutAdvice(deployment: Deployment): string[] {
  if (!givenUp(deployment.status)) return []
  const { image } = (findSidecar(deployment)?.container ?? {}) as { image?: unknown }
  const { name, namespace } = deployment.metadata
  return [
    `The rollout is stuck (ProgressDeadlineExceeded). See kubectl describe pods -n ${namespace}; if container ${SIDECAR_CONTAINER} does not start, check that its image ${image} can be pulled, else kubectl logs -n ${namespace} deployment/${name} -c ${SIDECAR_CONTAINER}.`,
  ]
}

function givenUp(status: unknown): boolean {
  const { conditions } = (status ?? {}) as { conditions?: unknown }
  return (
    Array.isArray(conditions) &&
    conditions.some(condition => condition?.type === 'Progressing' && condition.reason === 'ProgressDeadlineExceeded')
  )
}

/** That this version has another sidecar than the Deployment, and how to get it. */
export function upgradeAdvice({ metadata: { name, namespace } }: Deployment, { image }: Container): string {
  return `ws-operator ${OPERATOR_VERSION} has another sidecar (image ${image}); it comes with the next rollout (kubectl rollout restart -n ${namespace} deployment/${name}), or at once with ${DOMAIN}/sidecar-upgrade: now.`
}
