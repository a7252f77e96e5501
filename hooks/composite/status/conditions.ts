import type { Balancer, ObservedObject } from '../../requests/schemas.ts'
import { list, record } from '../../requests/untyped.ts'

/** A condition without its time; the types are those that Kubernetes' own objects and tools use. */
export interface Finding {
  readonly type: 'Ready' | 'Progressing' | 'Degraded'
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
}

/** A condition as Kubernetes writes them. */
export interface Condition extends Finding {
  readonly lastTransitionTime?: string
}

/**
 * Findings as conditions. The time changes only with the status. Hooks are pure and have no clock, so it is the time of the newest
 * change among the observed objects, which caused the new status.
 */
export function conditionsOf(
  { metadata, status }: Balancer,
  observedObjects: readonly ObservedObject[],
  findings: readonly Finding[],
): Condition[] {
  const before = list(record(status)['conditions']).map(record)
  const newest = newestChange(metadata, observedObjects)
  return findings.map(finding => {
    const last = before.find(({ type }) => type === finding.type)
    const kept = last?.['status'] === finding.status ? last['lastTransitionTime'] : undefined
    const time = isTime(kept) ? kept : newest
    return { ...finding, ...(time !== undefined && { lastTransitionTime: time }) }
  })
}

function newestChange(
  parent: ObservedObject['metadata'],
  observedObjects: readonly ObservedObject[],
): string | undefined {
  // We write the parent's status ourselves.
  const own = changes(parent, ({ subresource }) => subresource !== 'status')
  const times = [...own, ...observedObjects.flatMap(({ metadata }) => changes(metadata, () => true))]
  // All in UTC and of the same form, so they sort as text.
  return times.filter(isTime).sort().at(-1)
}

type ManagedFields = NonNullable<ObservedObject['metadata']['managedFields']>

const changes = (
  { creationTimestamp, deletionTimestamp, managedFields = [] }: ObservedObject['metadata'],
  counts: (entry: ManagedFields[number]) => boolean,
): unknown[] => [creationTimestamp, deletionTimestamp, ...managedFields.filter(counts).map(({ time }) => time)]

const isTime = (value: unknown): value is string =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(value)
