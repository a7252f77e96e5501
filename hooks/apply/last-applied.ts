import type { ObservedObject, ObservedObjects } from '../requests/schemas.ts'
import { appliedByUs, type FieldSet } from './managed-fields.ts'

/** An object as a response carries it. */
export interface DesiredObject {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata?: object
  readonly spec?: object
}

/**
 * The objects last applied for `owner`, with their present values: applying them again changes nothing. Read from `managedFields`
 * and not rendered, because a bad annotation can make rendering impossible.
 */
export function lastApplied(observed: ObservedObjects, owner: string): DesiredObject[] {
  return Object.values(observed).flatMap(byName =>
    Object.values(byName).map(object => lastAppliedObject(object, owner)),
  )
}

function lastAppliedObject(object: ObservedObject, owner: string): DesiredObject {
  const fields = appliedByUs(object, owner)
  const { apiVersion, kind, metadata, ...rest } = object as ObservedObject & { status?: unknown }
  const { name, namespace, labels, annotations } = metadata
  // Metacontroller adds the ownerReference itself. Without a record of applied fields, the whole body is kept.
  const owned = (fields ? pick({ metadata: { labels, annotations }, ...rest }, fields) : rest) as {
    metadata?: object
    status?: unknown
  }
  const { metadata: ownedMetadata, status: _status, ...body } = owned
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, ...(fields ? ownedMetadata : { labels, annotations }) },
    ...body,
  }
}

/** The parts of `value` that a set of fields names; an empty set names all of it. */
export function pick(value: unknown, fields: FieldSet): unknown {
  const paths = Object.keys(fields ?? {}).filter(path => path !== '.')
  if (paths.length === 0 || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    return value.flatMap(item => {
      const path = paths.find(candidate => names(candidate, item))
      return path === undefined ? [] : [pickItem(item, path, fields[path]!)]
    })
  }
  const source = value as Record<string, unknown>
  return Object.fromEntries(
    paths
      .filter(path => path.startsWith('f:') && source[path.slice(2)] !== undefined)
      .map(path => [path.slice(2), pick(source[path.slice(2)], fields[path]!)]),
  )
}

/** An item of a list keeps its keys, by which server-side apply finds it. */
function pickItem(item: unknown, path: string, fields: FieldSet): unknown {
  const picked = pick(item, fields)
  return path.startsWith('k:') && typeof picked === 'object' ? { ...JSON.parse(path.slice(2)), ...picked } : picked
}

/** Whether a path names that item: `k:` by the values of its keys, `v:` by its own value. */
function names(path: string, item: unknown): boolean {
  try {
    const key: unknown = JSON.parse(path.slice(2))
    if (path.startsWith('v:')) return key === item
    if (!path.startsWith('k:') || typeof key !== 'object' || key === null) return false
    return Object.entries(key).every(([name, value]) => (item as Record<string, unknown> | null)?.[name] === value)
  } catch {
    return false
  }
}
