import { isDeepStrictEqual } from 'node:util'
import type { DesiredObject } from '../../hooks/keep.ts'
import type { FieldSet } from '../../hooks/ownership.ts'
import type { DecoratorRequest } from '../../hooks/schemas.ts'

/**
 * What Metacontroller and an API server do with a decorator's answer, as far as these hooks depend on it: labels and
 * annotations are set or removed; attachments that are no longer wanted are deleted; the rest is applied by server-side apply
 * with one field manager. Of server-side apply it has: maps merge by key; the lists of LIST_KEYS merge by their keys, new items
 * at the end; other values are replaced; what this manager applied before and does not apply now is removed unless another
 * manager owns a part of it; `managedFields` says what was applied.
 */
export interface AnswerParts {
  readonly annotations?: Readonly<Record<string, string | null>>
  readonly attachments: readonly DesiredObject[]
}

type Map = Record<string, unknown>

export const MANAGER = 'ws-operator'

/** Keys of the lists that merge, by the name of the field that holds them. */
const LIST_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  env: ['name'],
  ownerReferences: ['uid'],
  ports: ['containerPort', 'protocol'],
}
const SERVICE_PORT_KEYS = ['port', 'protocol']

/** The next request that Metacontroller would send. */
export function applyAnswer(
  request: DecoratorRequest,
  { annotations = {}, attachments }: AnswerParts,
): DecoratorRequest {
  const next = structuredClone(request)
  const { metadata } = next.object
  metadata.annotations ??= {}
  for (const [name, value] of Object.entries(annotations)) {
    if (value === null) delete metadata.annotations[name]
    else metadata.annotations[name] = value
  }
  const wanted: DecoratorRequest['attachments'] = {}
  for (const attachment of attachments) {
    const desired = structuredClone(attachment) as Map & { metadata: Map & { name: string } }
    if (desired['kind'] === 'Deployment') apply(next.object as unknown as Map, desired)
    else {
      const group = `${desired['kind']}.${desired['apiVersion']}`
      const live = (next.attachments[group]?.[desired.metadata.name] ?? { metadata: { uid: `uid-${group}` } }) as Map
      // Metacontroller ties what it makes to the parent.
      desired.metadata['ownerReferences'] ??= [
        { uid: metadata.uid, controller: true, kind: 'Deployment', name: metadata.name },
      ]
      apply(live, desired)
      wanted[group] = { ...wanted[group], [desired.metadata.name]: live as never }
    }
  }
  next.attachments = wanted
  return next
}

function apply(live: Map, desired: Map): void {
  const metadata = live['metadata'] as Map & { managedFields?: { manager: string; fieldsV1: FieldSet }[] }
  const entries = metadata.managedFields ?? []
  const others = entries.filter(({ manager }) => manager !== MANAGER)
  const before = entries.find(({ manager }) => manager === MANAGER)?.fieldsV1 ?? {}
  const { apiVersion, kind, ...content } = desired
  const { name, namespace, ...ownedMetadata } = content['metadata'] as Map
  const applied = { ...content, metadata: ownedMetadata }
  const now = fieldsOf(applied)
  prune(
    live,
    before,
    now,
    others.map(({ fieldsV1 }) => fieldsV1),
  )
  merge(live, applied)
  Object.assign(live, { apiVersion, kind })
  Object.assign(metadata, { name, namespace })
  const entry = { manager: MANAGER, operation: 'Apply', fieldsType: 'FieldsV1', fieldsV1: now }
  metadata.managedFields = [entry, ...others] as never
}

const listKeys = (field: string, items: readonly unknown[]): readonly string[] | undefined =>
  field === 'ports' && items.some(item => 'port' in (item as object)) ? SERVICE_PORT_KEYS : LIST_KEYS[field]

const itemPath = (keys: readonly string[], item: Map): string =>
  `k:${JSON.stringify(Object.fromEntries(keys.map(key => [key, item[key]])))}`

const isMap = (value: unknown): value is Map => typeof value === 'object' && value !== null && !Array.isArray(value)

function fieldsOf(value: Map): FieldSet {
  const set: Record<string, FieldSet> = {}
  for (const [name, child] of Object.entries(value)) {
    const keys = Array.isArray(child) ? listKeys(name, child) : undefined
    if (keys) {
      set[`f:${name}`] = Object.fromEntries(
        (child as Map[]).map(item => [
          itemPath(keys, item),
          name === 'ownerReferences' ? {} : { '.': {}, ...fieldsOf(item) },
        ]),
      )
    } else set[`f:${name}`] = isMap(child) && name !== 'selector' ? fieldsOf(child) : {}
  }
  return set
}

function prune(live: Map, before: FieldSet, now: FieldSet, others: readonly FieldSet[]): void {
  for (const [path, set] of Object.entries(before)) {
    if (!path.startsWith('f:')) continue
    const name = path.slice(2)
    const child = live[name]
    const keep = now[path]
    const elsewhere = others.flatMap(other => other[path] ?? [])
    if (Array.isArray(child)) {
      const keys = listKeys(name, child)
      if (!keys) continue
      live[name] = child.filter(item => {
        const key = itemPath(keys, item)
        const owned = set[key]
        if (!owned) return true
        const holders = elsewhere.flatMap(other => other[key] ?? [])
        if (!keep?.[key] && holders.length === 0) return false
        // An item that stays keeps its keys, whoever set them.
        const named = Object.fromEntries(keys.map(one => [`f:${one}`, {}]))
        prune(item, owned, { ...named, ...keep?.[key] }, holders)
        return true
      })
      if ((live[name] as unknown[]).length === 0) delete live[name]
    } else if (isMap(child) && Object.keys(set).length > 0) {
      prune(child, set, keep ?? {}, elsewhere)
      if (Object.keys(child).length === 0) delete live[name]
    } else if (!keep && elsewhere.length === 0) delete live[name]
  }
}

function merge(live: Map, desired: Map): void {
  for (const [name, value] of Object.entries(desired)) {
    const keys = Array.isArray(value) ? listKeys(name, value) : undefined
    if (keys) {
      live[name] ??= []
      const items = live[name] as Map[]
      for (const item of value as Map[]) {
        const match = items.find(candidate => keys.every(key => isDeepStrictEqual(candidate[key], item[key])))
        if (match) merge(match, item)
        else items.push(item)
      }
    } else if (isMap(value) && isMap(live[name])) merge(live[name], value)
    else live[name] = value
  }
}
