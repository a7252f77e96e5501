import { setTimeout as delay } from 'node:timers/promises'
import type { Api, KubeObject, Resource } from '../api.ts'
import { qualifiedName } from './objects.ts'

/** Between a watch that broke and the next list. */
const LIST_AGAIN_MS = 200

/** What a change looks like: `before` is missing for a new object, `now` for one that is gone. */
export type OnChange = (before: KubeObject | undefined, now: KubeObject | undefined) => void

/** A list of all objects of a resource that is kept up to date by a watch. */
export class Informer {
  readonly resource: Resource
  readonly #api: Api
  readonly #onChange: OnChange
  readonly #objects = new Map<string, KubeObject>()
  readonly #stopped = new AbortController()
  #ended: Promise<void> = Promise.resolve()

  constructor(api: Api, resource: Resource, onChange: OnChange) {
    this.#api = api
    this.resource = resource
    this.#onChange = onChange
  }

  /** Resolves when the first list is here; the watch goes on until {@link stop}. */
  async start(): Promise<void> {
    const version = await this.#list()
    this.#ended = this.#follow(version)
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#ended
  }

  get(qualified: string): KubeObject | undefined {
    return this.#objects.get(qualified)
  }

  /** Objects of a namespace; all where there is none. */
  list(namespace?: string): KubeObject[] {
    return [...this.#objects.values()].filter(({ metadata }) => !namespace || metadata.namespace === namespace)
  }

  async #list(): Promise<string> {
    const { items, resourceVersion } = await this.#api.list(this.resource)
    const listed = new Map(items.map(item => [qualifiedName(item), item]))
    for (const [key, object] of this.#objects) if (!listed.has(key)) this.#change(object, undefined)
    for (const [key, object] of listed) {
      const before = this.#objects.get(key)
      if (before?.metadata.resourceVersion !== object.metadata.resourceVersion) this.#change(before, object)
    }
    return resourceVersion
  }

  async #follow(first: string): Promise<void> {
    const { signal } = this.#stopped
    for (let version = first; !signal.aborted; ) {
      try {
        for await (const { type, object } of this.#api.watch(this.resource, version, signal)) {
          if (type === 'ERROR') throw new Error('the API server ended the watch')
          version = object.metadata.resourceVersion ?? version
          const before = type === 'BOOKMARK' ? undefined : this.#objects.get(qualifiedName(object))
          if (type === 'DELETED') this.#change(before ?? object, undefined)
          else if (type !== 'BOOKMARK') this.#change(before, object)
        }
      } catch {
        // Whatever broke the watch, a fresh list tells all that was missed.
        await delay(LIST_AGAIN_MS, undefined, { signal }).catch(() => {})
        version = await this.#list().catch(() => version)
      }
    }
  }

  #change(before: KubeObject | undefined, now: KubeObject | undefined): void {
    if (now) this.#objects.set(qualifiedName(now), now)
    else if (before) this.#objects.delete(qualifiedName(before))
    this.#onChange(before, now)
  }
}
