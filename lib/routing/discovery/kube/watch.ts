import type { IncomingMessage } from 'node:http'
import { Backoff, type Timing } from '../timing.ts'
import { IdleError, KubeError, type KubeGet, readText } from './client.ts'

/** The fields of any API object that are used here. */
export interface KubeObject {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string }
}

interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: T & { readonly code?: number; readonly message?: string }
}

export interface Collection<T> {
  readonly get: KubeGet
  /** Path of one resource in one namespace. */
  readonly path: string
  readonly labelSelector: string
  readonly timing: Timing
  /** Called with all current objects after the list, after each change, and when a watch resumes after a failure. */
  onItems(items: readonly T[]): void
  onError(error: Error): void
}

const GONE = 410
const MAX_LIST_LENGTH = 64 * 1_048_576
const MAX_EVENT_LENGTH = 8 * 1_048_576
const WATCH_SECONDS = 240
const WATCH_JITTER_SECONDS = 60
/** A watch that ends sooner counts as a failure; otherwise a broken server would be queried in a tight loop. */
const SHORT_WATCH_MS = 1000

/**
 * After this number of consecutive failures we list again: some servers do not answer 410 for a version that they
 * cannot serve.
 */
const FAILURES_TO_LIST = 3

/**
 * Keeps a copy of a collection: list, then watch from the list's resource version, and after the end of a watch from
 * the last version seen (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
 * Lists again if the version is too old (410), if an event cannot be trusted, or if watches keep failing. Failures are
 * reported and retried with a back-off; the copy remains until the next list.
 */
export class CollectionWatch<T extends KubeObject> {
  readonly #collection: Collection<T>
  readonly #backoff: Backoff
  #items = new Map<string, T>()
  /** The version from which the next watch resumes; `undefined`: list first. */
  #version: string | undefined
  /** Failures since a watch last delivered an event. */
  #failures = 0
  /** Whether a failure was reported after the last report of objects. */
  #doubted = false

  constructor(collection: Collection<T>) {
    this.#collection = collection
    this.#backoff = new Backoff(collection.timing)
  }

  /** Resolves when the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list(signal)
        await this.#watch(signal)
      } catch (error) {
        if (signal.aborted) return
        this.#failed(error as Error)
        await this.#backoff.wait(signal)
      }
    }
  }

  /** Reports the failure, and decides whether the next attempt lists or resumes the watch. */
  #failed(error: Error): void {
    const isTooOld = error instanceof KubeError && error.status === GONE
    if (!isTooOld) this.#report(error)
    if (!isTooOld && ++this.#failures < FAILURES_TO_LIST) return
    this.#version = undefined
    this.#failures = 0
  }

  async #list(signal: AbortSignal): Promise<void> {
    const response = await this.#get({}, signal)
    const list = parse<{ items?: T[] | null; metadata?: { resourceVersion?: string } }>(
      await readText(response, MAX_LIST_LENGTH),
    )
    const version = list.metadata?.resourceVersion
    if (!version) throw new Error('the API server answered with something that is no list')
    this.#items = new Map((list.items ?? []).map(item => [item.metadata.name, item]))
    this.#version = version
    this.#tell()
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { timing } = this.#collection
    const started = timing.now()
    const response = await this.#get(
      {
        watch: 'true',
        allowWatchBookmarks: 'true',
        timeoutSeconds: String(WATCH_SECONDS + Math.floor(timing.random() * (WATCH_JITTER_SECONDS + 1))),
        resourceVersion: this.#version ?? '',
      },
      signal,
    )
    // Since the failure the listener has not heard that the copy is current, and without a change it never would.
    if (this.#doubted) this.#tell()
    try {
      await this.#follow(response)
    } catch (error) {
      if (!(error instanceof IdleError)) throw error
    }
    if (timing.now() - started < SHORT_WATCH_MS) await this.#backoff.wait(signal)
    else this.#worked()
  }

  async #follow(response: IncomingMessage): Promise<void> {
    let rest = ''
    for await (const chunk of response.setEncoding('utf8')) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop() ?? ''
      if (rest.length > MAX_EVENT_LENGTH) throw new Error(`an event has more than ${MAX_EVENT_LENGTH} characters`)
      let changed = false
      for (const line of lines) if (line.trim() !== '') changed = this.#apply(line) || changed
      // Once for all events of a chunk, so that an endpoint that moves between slices does not appear to vanish.
      if (changed) this.#tell()
    }
    if (rest.trim() !== '') throw new Error('the watch was cut in the middle of an event')
  }

  /** Returns whether the copy has changed. */
  #apply(line: string): boolean {
    const version = this.#version
    // If this event is faulty, later changes may be missing.
    this.#version = undefined
    const { type, object } = parse<WatchEvent<T>>(line)
    if (type === 'ERROR') {
      throw new KubeError(object.code ?? 0, `the watch failed: ${object.message ?? line.slice(0, 300)}`)
    }
    const { name } = object.metadata
    if (type === 'DELETED') this.#items.delete(name)
    else if (type === 'ADDED' || type === 'MODIFIED') this.#items.set(name, object)
    else if (type !== 'BOOKMARK') throw new Error(`the watch sent an event of unknown type ${JSON.stringify(type)}`)
    this.#version = object.metadata.resourceVersion ?? version
    this.#worked()
    return type !== 'BOOKMARK'
  }

  #worked(): void {
    this.#failures = 0
    this.#backoff.reset()
  }

  #get(params: Record<string, string>, signal: AbortSignal): Promise<IncomingMessage> {
    const { get, path, labelSelector } = this.#collection
    return get(`${path}?${new URLSearchParams({ labelSelector, ...params })}`, signal)
  }

  #report(error: Error): void {
    this.#doubted = true
    this.#collection.onError(error)
  }

  #tell(): void {
    this.#doubted = false
    try {
      this.#collection.onItems([...this.#items.values()])
    } catch (error) {
      // The copy is correct; a new list would cause the same error.
      this.#collection.onError(error as Error)
    }
  }
}

function parse<R>(text: string): R {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`the API server sent broken JSON: ${(error as Error).message}`, { cause: error })
  }
}
