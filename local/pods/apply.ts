import { isDeepStrictEqual } from 'node:util'

/** A map of an object of Kubernetes. */
export type Fields = Record<string, unknown>

/** Lists that server-side apply merges by the keys of their items, by the name of the field that holds them. */
const LIST_KEYS: Readonly<Record<string, readonly string[]>> = {
  containers: ['name'],
  initContainers: ['name'],
  env: ['name'],
  ownerReferences: ['uid'],
  ports: ['containerPort', 'protocol'],
}
const SERVICE_PORT_KEYS = ['port', 'protocol']

/** The keys by which a list merges; `undefined` for a list that is replaced as a whole. */
export function listKeys(field: string, items: readonly unknown[]): readonly string[] | undefined {
  return field === 'ports' && items.some(item => 'port' in (item as object)) ? SERVICE_PORT_KEYS : LIST_KEYS[field]
}

/** Whether a value is a map, which merges by its keys. */
export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/**
 * The merging half of server-side apply (KEP-555), as far as the hooks depend on it: maps merge by key, the lists above by the
 * keys of their items with new ones at the end, everything else is replaced. What an applier no longer applies is not removed.
 *
 * @param live changed in place
 */
export function mergeApplied(live: Fields, applied: Readonly<Fields>): void {
  for (const [name, value] of Object.entries(applied)) {
    const keys = Array.isArray(value) ? listKeys(name, value) : undefined
    if (keys) {
      live[name] ??= []
      mergeList(live[name] as Fields[], value as Fields[], keys)
    } else if (isFields(value) && isFields(live[name])) mergeApplied(live[name], value)
    else live[name] = structuredClone(value)
  }
}

function mergeList(live: Fields[], applied: readonly Fields[], keys: readonly string[]): void {
  for (const item of applied) {
    const match = live.find(candidate => keys.every(key => isDeepStrictEqual(candidate[key], item[key])))
    if (match) mergeApplied(match, item)
    else live.push(structuredClone(item))
  }
}
