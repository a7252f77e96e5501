import type { ObservedObject } from '../../requests/schemas.ts'
import { count, list, record } from '../../requests/untyped.ts'

/** The pods of a balancer, from the status of its Deployment. */
export interface ObservedPods {
  readonly wanted: number
  readonly replicas: number
  readonly ready: number
  /** Pods of the newest revision. */
  readonly updated: number
  /** Whether the Deployment's controller has seen its newest spec, and made all pods of it available. */
  readonly rolledOut: boolean
  /** Why pods are missing, in the Deployment's own words. */
  readonly failure: { readonly reason: string; readonly message: string } | undefined
}

/** Reads a balancer's Deployment. @returns `undefined` where there is none */
export function observePods(deployment: ObservedObject | undefined): ObservedPods | undefined {
  if (deployment === undefined) return undefined
  const { spec, status: given } = deployment as ObservedObject & { spec?: unknown; status?: unknown }
  const status = record(given)
  const conditions = list(status['conditions']).map(record)
  const progressing = conditions.find(({ type }) => type === 'Progressing')
  const wanted = count(record(spec)['replicas'] ?? 1)
  const updated = count(status['updatedReplicas'])
  const replicas = count(status['replicas'])
  const seen = count(status['observedGeneration']) >= (deployment.metadata.generation ?? 0)
  return {
    wanted,
    replicas,
    ready: count(status['readyReplicas']),
    updated,
    rolledOut:
      seen && updated === wanted && replicas === wanted && progressing?.['reason'] === 'NewReplicaSetAvailable',
    failure: failureOf(conditions),
  }
}

/** Why pods are missing. ReplicaFailure comes first: it is the cause of a missed deadline. */
export function failureOf(conditions: readonly Readonly<Record<string, unknown>>[]): ObservedPods['failure'] {
  const failed =
    conditions.find(({ type, status }) => type === 'ReplicaFailure' && status === 'True') ??
    conditions.find(({ type, reason }) => type === 'Progressing' && reason === 'ProgressDeadlineExceeded')
  return failed && { reason: String(failed['reason']), message: sentence(String(failed['message'])) }
}

/** A message of another controller as a whole sentence. */
const sentence = (text: string): string => (/[.!]$/.test(text) ? text : `${text}.`)
