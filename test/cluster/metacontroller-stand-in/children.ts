import { type Api, isConflict, isNotFound, type KubeObject } from '../api.ts'
import { groupName, type ObjectMap, qualifiedName, toApply } from './objects.ts'

export type UpdateMethod = 'OnDelete' | 'InPlace'

interface LastApplied {
  readonly body: string
  readonly uid: string | undefined
  readonly generation: number | undefined
  readonly resourceVersion: string | undefined
}

/** Brings the children of a parent from what is observed to what is desired. */
export class Children {
  readonly #api: Api
  readonly #fieldManager: string
  /** What was applied last, so that an observed child that did not change since is left alone. */
  readonly #applied = new Map<string, LastApplied>()

  constructor(api: Api, fieldManager: string) {
    this.#api = api
    this.#fieldManager = fieldManager
  }

  /**
   * Deletes observed children that are not desired, then applies the desired ones. Kinds that are desired but not observed
   * (not declared in the controller) are applied each time and never deleted.
   *
   * @throws {AggregateError} after every child was tried
   */
  async manage(
    parent: KubeObject,
    observed: ObjectMap,
    desired: readonly KubeObject[],
    method: (group: string) => UpdateMethod,
  ): Promise<void> {
    const errors: unknown[] = []
    const attempt = (work: Promise<void>) => work.catch(error => void errors.push(error))
    const wanted = new Set(desired.map(object => `${groupName(object)} ${qualifiedName(object)}`))
    for (const [group, objects] of Object.entries(observed)) {
      for (const [key, object] of Object.entries(objects)) {
        if (!wanted.has(`${group} ${key}`) && !object.metadata.deletionTimestamp) await attempt(this.#delete(object))
      }
    }
    for (const object of desired) {
      const group = groupName(object)
      const seen = observed[group]?.[qualifiedName(object)]
      await attempt(this.#apply(parent, seen, object, method(group)))
    }
    if (errors.length > 0) throw new AggregateError(errors, `can't reconcile children: ${errors.join('; ')}`)
  }

  async #delete(object: KubeObject): Promise<void> {
    const { namespace, name, uid } = object.metadata
    const resource = await this.#api.resource(object.apiVersion, object.kind)
    await this.#api.delete(resource, namespace, name, uid).catch(ignore(isNotFound))
    this.#applied.delete(cacheKey(object))
  }

  async #apply(
    parent: KubeObject,
    observed: KubeObject | undefined,
    desired: KubeObject,
    method: UpdateMethod,
  ): Promise<void> {
    if (observed?.metadata.deletionTimestamp) return
    const object = toApply(desired, parent)
    const body = JSON.stringify(object)
    const key = cacheKey(object)
    if (observed && (method === 'OnDelete' || unchanged(this.#applied.get(key), observed, body))) return
    const resource = await this.#api.resource(object.apiVersion, object.kind)
    try {
      const { metadata } = await this.#api.apply(resource, object, this.#fieldManager)
      const { uid, generation, resourceVersion } = metadata
      this.#applied.set(key, { body, uid, generation, resourceVersion })
    } catch (error) {
      // Somebody else wrote in between; their change brings the next sync.
      if (!isConflict(error)) throw error
    }
  }
}

function unchanged(last: LastApplied | undefined, { metadata }: KubeObject, body: string): boolean {
  if (last?.body !== body || last.uid !== metadata.uid) return false
  return metadata.generation === undefined
    ? last.resourceVersion === metadata.resourceVersion
    : last.generation === metadata.generation
}

function cacheKey(object: KubeObject): string {
  const group = object.apiVersion.includes('/') ? object.apiVersion.split('/')[0] : ''
  return `${group}/${object.kind}/${qualifiedName(object)}`
}

/** Swallows errors of one sort. */
export function ignore(which: (error: unknown) => boolean): (error: unknown) => undefined {
  return error => {
    if (!which(error)) throw error
    return undefined
  }
}
