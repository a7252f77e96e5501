import type { DesiredObject } from '../../hooks/apply/last-applied.ts'
import type { FieldSet } from '../../hooks/apply/managed-fields.ts'
import type { CompositeRequest, DecoratorRequest, ObservedObject } from '../../hooks/requests/schemas.ts'
import { type Fields, isFields, listKeys, mergeApplied } from '../../local/pods/apply.ts'

/**
 * What Metacontroller and an API server do with a decorator's answer (or, in the same way, a composite's), as far as these hooks depend on it: labels and
 * annotations are set or removed; attachments that are no longer wanted are deleted; the rest is applied by server-side apply
 * with one field manager. Of server-side apply it has: maps merge by key; the lists of `listKeys` merge by their keys, new items
 * at the end; other values are replaced; what this manager applied before and does not apply now is removed unless another
 * manager owns a part of it; `managedFields` says what was applied. A pod template with two containers, or two ports, of one name is
 * refused.
 */
export interface AnswerParts {
  readonly annotations?: Readonly<Record<string, string | null>>
  readonly attachments: readonly DesiredObject[]
}

export const MANAGER = 'ws-operator'

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
    const desired = structuredClone(attachment) as Fields & { metadata: Fields & { name: string } }
    if (desired['kind'] === next.object.kind) {
      apply(next.object as unknown as Fields, desired)
      assertAccepted(next.object)
    } else {
      const group = `${desired['kind']}.${desired['apiVersion']}`
      const live = (next.attachments[group]?.[desired.metadata.name] ?? { metadata: { uid: `uid-${group}` } }) as Fields
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

/** @throws where the API server would answer 422 */
function assertAccepted({ spec }: DecoratorRequest['object']): void {
  const { containers, initContainers = [] } = spec.template.spec
  const all = [...initContainers, ...containers]
  for (const names of [all.map(({ name }) => name), ...all.map(({ ports = [] }) => ports.flatMap(p => p.name ?? []))]) {
    const twice = names.find((name, index) => names.indexOf(name) !== index)
    if (twice !== undefined) throw new Error(`422: Duplicate value: ${twice}`)
  }
}

/**
 * The next request that Metacontroller would send for a composite: the children that are wanted, applied. A value that is changed
 * by force belongs to nobody else any more; of that the model has the number of pods.
 */
export function applyChildren(request: CompositeRequest, desired: readonly DesiredObject[]): CompositeRequest {
  const next = structuredClone(request)
  const { uid, name } = next.parent.metadata
  next.children = {}
  for (const child of desired) {
    const object = structuredClone(child) as Fields & { metadata: Fields & { name: string } }
    object.metadata['ownerReferences'] = [{ uid, controller: true, kind: 'WebSocketBalancer', name }]
    const group = `${object['kind']}.${object['apiVersion']}`
    const before = request.children[group]?.[object.metadata.name]
    const live = structuredClone(before ?? { metadata: { uid: `uid-${group}` } }) as unknown as Fields
    const replicas = (of: Fields) => (of['spec'] as { replicas?: number } | undefined)?.replicas
    if (replicas(object) !== undefined && replicas(object) !== replicas(live)) disownReplicas(live)
    apply(live, object)
    next.children[group] = { ...next.children[group], [object.metadata.name]: live as never }
  }
  return next
}

/** Somebody else says how many pods a Deployment has, as `kubectl scale` and autoscalers do. */
export function scaleBy(manager: string, deployment: ObservedObject, replicas: number): void {
  disownReplicas(deployment as unknown as Fields)
  Object.assign((deployment as { spec?: object }).spec ?? {}, { replicas })
  const fieldsV1 = { 'f:spec': { 'f:replicas': {} } }
  deployment.metadata.managedFields?.push({ manager, operation: 'Update', subresource: 'scale', fieldsV1 })
}

function disownReplicas(object: Fields): void {
  const { managedFields = [] } = object['metadata'] as { managedFields?: { fieldsV1: Record<string, Fields> }[] }
  for (const { fieldsV1 } of managedFields) delete fieldsV1['f:spec']?.['f:replicas']
}

function apply(live: Fields, desired: Fields): void {
  const metadata = live['metadata'] as Fields & { managedFields?: { manager: string; fieldsV1: FieldSet }[] }
  const entries = metadata.managedFields ?? []
  const others = entries.filter(({ manager }) => manager !== MANAGER)
  const before = entries.find(({ manager }) => manager === MANAGER)?.fieldsV1 ?? {}
  const { apiVersion, kind, ...content } = desired
  const { name, namespace, ...ownedMetadata } = content['metadata'] as Fields
  const applied = { ...content, metadata: ownedMetadata }
  const now = fieldsOf(applied)
  prune(
    live,
    before,
    now,
    others.map(({ fieldsV1 }) => fieldsV1),
  )
  mergeApplied(live, applied)
  Object.assign(live, { apiVersion, kind })
  Object.assign(metadata, { name, namespace })
  const entry = { manager: MANAGER, operation: 'Apply', fieldsType: 'FieldsV1', fieldsV1: now }
  metadata.managedFields = [entry, ...others] as never
}

const itemPath = (keys: readonly string[], item: Fields): string =>
  `k:${JSON.stringify(Object.fromEntries(keys.map(key => [key, item[key]])))}`

function fieldsOf(value: Fields): FieldSet {
  const set: Record<string, FieldSet> = {}
  for (const [name, child] of Object.entries(value)) {
    const keys = Array.isArray(child) ? listKeys(name, child) : undefined
    if (keys) {
      set[`f:${name}`] = Object.fromEntries(
        (child as Fields[]).map(item => [
          itemPath(keys, item),
          name === 'ownerReferences' ? {} : { '.': {}, ...fieldsOf(item) },
        ]),
      )
    } else set[`f:${name}`] = isFields(child) && name !== 'selector' ? fieldsOf(child) : {}
  }
  return set
}

function prune(live: Fields, before: FieldSet, now: FieldSet, others: readonly FieldSet[]): void {
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
    } else if (isFields(child) && Object.keys(set).length > 0) {
      prune(child, set, keep ?? {}, elsewhere)
      if (Object.keys(child).length === 0) delete live[name]
    } else if (!keep && elsewhere.length === 0) delete live[name]
  }
}
