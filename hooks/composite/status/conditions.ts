import type { Balancer, ObservedObject } from '../../requests/schemas.ts'
import { list, record } from '../../requests/untyped.ts'

/** What is said of a balancer; the types are those that Kubernetes' own objects and tools use. */
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
 * Findings as conditions. A time stays as long as the status does. There is no clock here, so a status that flips gets the time of
 * the newest change to anything that was shown, which is what made it flip.
 */
export function conditionsOf(
  { metadata, status }: Balancer,
  shown: readonly ObservedObject[],
  findings: readonly Finding[],
): Condition[] {
  const before = list(record(status)['conditions']).map(record)
  const newest = newestChange(metadata, shown)
  return findings.map(finding => {
    const last = before.find(({ type }) => type === finding.type)
    const kept = last?.['status'] === finding.status ? last['lastTransitionTime'] : undefined
    const time = isTime(kept) ? kept : newest
    return { ...finding, ...(time !== undefined && { lastTransitionTime: time }) }
  })
}

function newestChange(parent: ObservedObject['metadata'], shown: readonly ObservedObject[]): string | undefined {
  // The parent's status is what we write ourselves.
  const own = changes(parent, ({ subresource }) => subresource !== 'status')
  const times = [...own, ...shown.flatMap(({ metadata }) => changes(metadata, () => true))]
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
