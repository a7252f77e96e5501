import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import type { ReadableStream } from 'node:stream/web'
import { setTimeout as delay } from 'node:timers/promises'

const REQUEST_LIMIT_MS = 30_000
const BUSY_LIMIT_MS = 15_000
const BUSY_AGAIN_MS = 250

/** Any object of the API server, as it comes. */
export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: Metadata
  // biome-ignore lint/suspicious/noExplicitAny: whatever the kind has
  [field: string]: any
}

export interface Metadata {
  name: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
  deletionTimestamp?: string
  // biome-ignore lint/suspicious/noExplicitAny: fields that only some look at
  [field: string]: any
}

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

/** A kind of object, as the API server's discovery describes it. */
export interface Resource {
  readonly apiVersion: string
  readonly kind: string
  /** Plural name in paths. */
  readonly name: string
  readonly namespaced: boolean
  readonly hasStatus: boolean
}

/** An answer of the API server that is not a success. */
export class ApiError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(`${status}: ${message}`)
    this.name = 'ApiError'
    this.status = status
  }
}

/** One event of a watch. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: KubeObject
}

/** A client of a Kubernetes API server behind `kubectl proxy`. */
export class Api {
  readonly #address: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #discovered = new Map<string, Resource[]>()

  /**
   * @param address host:port of the proxy
   * @param as whose rights it has; by default those of the proxy's user
   */
  constructor(address: string, as?: string) {
    this.#address = address
    this.#headers = as === undefined ? {} : { 'Impersonate-User': as }
  }

  /** Looks a resource up by its plural name or its kind. @throws when the API server does not have it */
  async resource(apiVersion: string, nameOrKind: string): Promise<Resource> {
    const find = (all: Resource[] = []) => all.find(({ name, kind }) => name === nameOrKind || kind === nameOrKind)
    const known = find(this.#discovered.get(apiVersion))
    if (known) return known
    const { resources } = (await this.request('GET', root(apiVersion))) as {
      resources: { name: string; kind: string; namespaced: boolean }[]
    }
    const names = new Set(resources.map(({ name }) => name))
    const found = resources
      .filter(({ name }) => !name.includes('/'))
      .map(({ name, kind, namespaced }) => ({
        apiVersion,
        kind,
        name,
        namespaced,
        hasStatus: names.has(`${name}/status`),
      }))
    this.#discovered.set(apiVersion, found)
    const resource = find(found)
    if (!resource) throw new Error(`the API server has no ${nameOrKind} in ${apiVersion}`)
    return resource
  }

  get(resource: Resource, namespace: string | undefined, name: string): Promise<KubeObject> {
    return this.request('GET', path(resource, namespace, name)) as Promise<KubeObject>
  }

  /** All objects, of one namespace or of all; items have their apiVersion and kind, which the API server leaves out. */
  async list(
    resource: Resource,
    namespace?: string,
    labelSelector = '',
  ): Promise<{ items: KubeObject[]; resourceVersion: string }> {
    const query = labelSelector && `?labelSelector=${encodeURIComponent(labelSelector)}`
    const list = (await this.request('GET', path(resource, namespace) + query)) as {
      items: KubeObject[]
      metadata: { resourceVersion: string }
    }
    const { apiVersion, kind } = resource
    return {
      items: list.items.map(item => ({ ...item, apiVersion, kind })),
      resourceVersion: list.metadata.resourceVersion,
    }
  }

  create(resource: Resource, object: KubeObject): Promise<KubeObject> {
    return this.request('POST', path(resource, object.metadata.namespace), object) as Promise<KubeObject>
  }

  /** Replaces an object, or only its status; 409 where `resourceVersion` is not the newest. */
  put(resource: Resource, object: KubeObject, subresource?: 'status'): Promise<KubeObject> {
    const { namespace, name } = object.metadata
    const target = path(resource, namespace, name) + (subresource ? `/${subresource}` : '')
    return this.request('PUT', target, object) as Promise<KubeObject>
  }

  /** Server-side apply, by force. */
  apply(resource: Resource, object: KubeObject, fieldManager: string): Promise<KubeObject> {
    const { namespace, name } = object.metadata
    const query = new URLSearchParams({ fieldManager, force: 'true' })
    const target = `${path(resource, namespace, name)}?${query}`
    return this.request('PATCH', target, object, 'application/apply-patch+yaml') as Promise<KubeObject>
  }

  /** Deletes in the background. @param uid only if it is still this object */
  async delete(resource: Resource, namespace: string | undefined, name: string, uid?: string): Promise<void> {
    const options = { propagationPolicy: 'Background', ...(uid ? { preconditions: { uid } } : {}) }
    await this.request('DELETE', path(resource, namespace, name), options)
  }

  /** Changes of all objects of a resource since a list, until the API server or `signal` ends it. */
  async *watch(resource: Resource, resourceVersion: string, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const query = new URLSearchParams({ watch: 'true', allowWatchBookmarks: 'true', resourceVersion })
    const response = await fetch(`http://${this.#address}${path(resource)}?${query}`, {
      headers: this.#headers,
      signal,
    })
    if (!response.ok) throw new ApiError(response.status, await response.text())
    const body = Readable.fromWeb(response.body as ReadableStream, { signal })
    for await (const line of createInterface({ input: body })) yield JSON.parse(line) as WatchEvent
  }

  /**
   * One request; asked again while the API server says that it is too busy (429: also a kind that was created a moment ago).
   *
   * @returns the answer's JSON
   * @throws {ApiError} unless it is a success
   */
  async request(method: string, target: string, body?: unknown, type = 'application/json'): Promise<unknown> {
    const deadline = Date.now() + BUSY_LIMIT_MS
    for (;;) {
      const response = await fetch(`http://${this.#address}${target}`, {
        method,
        headers: { ...this.#headers, ...(body !== undefined && { 'content-type': type }) },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(REQUEST_LIMIT_MS),
      })
      const answer = (await response.json()) as { message?: string }
      if (response.ok) return answer
      if (response.status !== 429 || Date.now() > deadline) {
        throw new ApiError(response.status, answer.message ?? `${method} ${target}`)
      }
      await delay(BUSY_AGAIN_MS)
    }
  }
}

/** Whether an error says that an object is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404
}

/** Whether an error says that an object changed in between. */
export function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.status === 409
}

function root(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
}

function path({ apiVersion, name: plural, namespaced }: Resource, namespace?: string, name?: string): string {
  const place = namespaced && namespace ? `/namespaces/${namespace}` : ''
  return `${root(apiVersion)}${place}/${plural}${name ? `/${name}` : ''}`
}
