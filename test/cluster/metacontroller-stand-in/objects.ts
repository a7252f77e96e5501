import type { KubeObject, OwnerReference, Resource } from '../api.ts'

/** A Kubernetes label selector. */
export interface LabelSelector {
  matchLabels?: Record<string, string>
  matchExpressions?: { key: string; operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'; values?: string[] }[]
}

/** Objects by kind (`Kind.version` or `Kind.group/version`), then by key, as hooks see them. */
export type ObjectMap = Record<string, Record<string, KubeObject>>

/** Annotation on everything that a decorator creates: the name of the DecoratorController. */
export const DECORATOR_ANNOTATION = 'metacontroller.k8s.io/decorator-controller'

/** Metadata that an apply must not carry, because only the API server sets it. */
const SYSTEM_FIELDS = [
  'selfLink',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'managedFields',
]

/** Whether labels match a selector; no selector matches everything. */
export function matches(selector: LabelSelector | undefined, labels: Record<string, string> = {}): boolean {
  const wanted = Object.entries(selector?.matchLabels ?? {})
  const expressions = selector?.matchExpressions ?? []
  return (
    wanted.every(([key, value]) => labels[key] === value) &&
    expressions.every(({ key, operator, values = [] }) => {
      const value = labels[key]
      if (operator === 'Exists') return value !== undefined
      if (operator === 'DoesNotExist') return value === undefined
      return (value !== undefined && values.includes(value)) === (operator === 'In')
    })
  )
}

/** Name of a group of an {@link ObjectMap}. */
export function groupName({ apiVersion, kind }: Pick<Resource, 'apiVersion' | 'kind'>): string {
  return `${kind}.${apiVersion}`
}

/** Key of an object as version 2 of the hooks has it: namespace/name, or the name of a cluster-wide object. */
export function qualifiedName({ metadata: { namespace, name } }: KubeObject): string {
  return namespace ? `${namespace}/${name}` : name
}

/** The same map with the keys of version 1: the name alone where the parent has a namespace. */
export function relativeToParent(map: ObjectMap, parent: KubeObject): ObjectMap {
  const key = (object: KubeObject) => (parent.metadata.namespace ? object.metadata.name : qualifiedName(object))
  return Object.fromEntries(
    Object.entries(map).map(([group, objects]) => [
      group,
      Object.fromEntries(Object.values(objects).map(object => [key(object), object])),
    ]),
  )
}

/** Objects by group and qualified name. @param groups groups that are there even without an object */
export function toObjectMap(objects: readonly KubeObject[], groups: readonly string[] = []): ObjectMap {
  const map: ObjectMap = Object.fromEntries(groups.map(group => [group, {}]))
  for (const object of objects) {
    const group = groupName(object)
    map[group] = { ...map[group], [qualifiedName(object)]: object }
  }
  return map
}

/** The owner that is in charge of an object. */
export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)
}

/** A reference that puts a parent in charge. */
export function controllerReference({ apiVersion, kind, metadata: { name, uid = '' } }: KubeObject): OwnerReference {
  return { apiVersion, kind, name, uid, controller: true, blockOwnerDeletion: true }
}

/**
 * What is applied for a desired object: without what only the API server sets, and owned by the parent. An owner reference that
 * names the parent's uid already is left as it is, whatever else it says.
 */
export function toApply(desired: KubeObject, parent: KubeObject): KubeObject {
  const { status: _, ...rest } = desired
  const metadata = Object.fromEntries(
    Object.entries(desired.metadata).filter(([field]) => !SYSTEM_FIELDS.includes(field)),
  ) as KubeObject['metadata']
  const owners = metadata.ownerReferences ?? []
  if (!owners.some(({ uid }) => uid === parent.metadata.uid)) {
    metadata.ownerReferences = [...owners, controllerReference(parent)]
  }
  return { ...rest, metadata } as KubeObject
}

/**
 * Changes labels or annotations as a hook asked: null deletes a key.
 *
 * @returns the new ones, or `undefined` where nothing changes
 */
export function patchStrings(
  current: Record<string, string> = {},
  updates: Record<string, string | null> | null | undefined,
): Record<string, string> | undefined {
  const next = { ...current }
  let changed = false
  for (const [key, value] of Object.entries(updates ?? {})) {
    if (value === null ? !(key in next) : next[key] === value) continue
    changed = true
    if (value === null) delete next[key]
    else next[key] = value
  }
  return changed ? next : undefined
}

/** Whether the garbage collector is at work on an object's dependents. */
export function hasGarbageCollectorFinalizer({ metadata }: KubeObject): boolean {
  return (metadata.finalizers ?? []).some(name => name === 'foregroundDeletion' || name === 'orphan')
}
