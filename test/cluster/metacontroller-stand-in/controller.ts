import { type Api, isConflict, isNotFound, type KubeObject, type Resource } from '../api.ts'
import { ignore, type UpdateMethod } from './children.ts'
import { TooManyRequests } from './hook.ts'
import { Informer } from './informer.ts'
import { controllerOf, groupName, type LabelSelector, matches, qualifiedName } from './objects.ts'
import { Queue } from './queue.ts'

/** A resource whose objects a controller looks after. */
export interface ParentRule {
  readonly resource: Resource
  readonly selector?: LabelSelector | undefined
  readonly ignoreStatusChanges: boolean
}

/** A resource of which a controller makes objects. */
export interface ChildRule {
  readonly resource: Resource
  readonly method: UpdateMethod
}

/** What a decorator or a composite controller is made of. */
export interface Plan {
  readonly name: string
  readonly finalizer: string
  /** Whether there is a finalize hook, and so a finalizer on each parent. */
  readonly finalizes: boolean
  readonly parents: readonly ParentRule[]
  readonly children: readonly ChildRule[]
  readonly resyncSeconds: number | undefined
  sync(parent: KubeObject, controller: Controller): Promise<void>
  /** Ends what the plan itself has begun. */
  stop?(): Promise<void>
}

/** Watches parents and children and calls `plan.sync` for each parent that may need it. */
export class Controller {
  readonly plan: Plan
  readonly api: Api
  readonly #report: (line: string) => void
  readonly #queue: Queue
  readonly #parents: readonly Informer[]
  readonly #children: readonly Informer[]
  #timer: NodeJS.Timeout | undefined

  constructor(api: Api, plan: Plan, report: (line: string) => void) {
    this.plan = plan
    this.api = api
    this.#report = report
    this.#queue = new Queue(key => this.#sync(key))
    this.#parents = plan.parents.map(
      rule => new Informer(api, rule.resource, (before, now) => this.#onParent(rule, before, now)),
    )
    this.#children = plan.children.map(
      ({ resource }) => new Informer(api, resource, (before, now) => this.#onChild(before, now)),
    )
  }

  /** Resolves when every list is here and the work has begun. */
  async start(): Promise<void> {
    await Promise.all([...this.#parents, ...this.#children].map(informer => informer.start()))
    this.#queue.run()
    const { resyncSeconds } = this.plan
    if (resyncSeconds) this.#timer = setInterval(() => this.resync(), 1000 * Math.max(1, resyncSeconds))
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#queue.stop()
    await Promise.all([...this.#parents, ...this.#children].map(informer => informer.stop()))
    await this.plan.stop?.()
  }

  /** Syncs every parent once more; resolves when nothing is left to do. */
  async resync(): Promise<void> {
    for (const parent of this.parents()) this.enqueue(parent)
    await this.#queue.idle()
  }

  /** Every parent of ours. */
  parents(): KubeObject[] {
    return this.#parents.flatMap(informer => informer.list()).filter(parent => this.cares(parent))
  }

  /** Has a parent synced. */
  enqueue(parent: KubeObject): void {
    this.#queue.add(keyOf(parent))
  }

  /** Whether a parent is one of ours: it matches, or it still has our finalizer. */
  cares(parent: KubeObject): boolean {
    return this.matches(parent) || this.hasFinalizer(parent)
  }

  matches(parent: KubeObject): boolean {
    const rule = this.plan.parents.find(({ resource }) => groupName(resource) === groupName(parent))
    return rule !== undefined && matches(rule.selector, parent.metadata.labels)
  }

  hasFinalizer(parent: KubeObject): boolean {
    return parent.metadata.finalizers?.includes(this.plan.finalizer) ?? false
  }

  /** Children that were seen, by resource, in the parent's namespace. */
  seen(parent: KubeObject): { resource: Resource; objects: KubeObject[] }[] {
    return this.#children.map(informer => ({
      resource: informer.resource,
      objects: informer.list(parent.metadata.namespace),
    }))
  }

  method(group: string): UpdateMethod {
    return this.plan.children.find(({ resource }) => groupName(resource) === group)?.method ?? 'OnDelete'
  }

  syncAfter(parent: KubeObject, seconds: number | undefined): void {
    if (seconds && seconds > 0) this.#queue.addAfter(keyOf(parent), 1000 * seconds)
  }

  /** Puts the finalizer on a parent, or takes it away where there is no finalize hook. @returns the parent as it is then */
  async withFinalizer(parent: KubeObject): Promise<KubeObject> {
    const { finalizes, finalizer } = this.plan
    if (this.hasFinalizer(parent) === finalizes || (finalizes && parent.metadata.deletionTimestamp)) return parent
    return this.update(parent, ({ metadata }) => {
      const others = (metadata.finalizers ?? []).filter(name => name !== finalizer)
      metadata.finalizers = finalizes ? [...others, finalizer] : others
    })
  }

  /** Reads an object afresh, changes it and writes it back, again while others write in between. */
  async update(object: KubeObject, change: (fresh: KubeObject) => void): Promise<KubeObject> {
    const resource = await this.api.resource(object.apiVersion, object.kind)
    for (let attempt = 0; ; attempt++) {
      const fresh = await this.api.get(resource, object.metadata.namespace, object.metadata.name)
      if (fresh.metadata.uid !== object.metadata.uid) throw new Error(`${qualifiedName(object)} is another object now`)
      change(fresh)
      try {
        return await this.api.put(resource, fresh)
      } catch (error) {
        if (!isConflict(error) || attempt === 5) throw error
      }
    }
  }

  #onParent(rule: ParentRule, before: KubeObject | undefined, now: KubeObject | undefined): void {
    const statusOnly =
      before !== undefined &&
      now !== undefined &&
      before.metadata.generation === now.metadata.generation &&
      same(before.metadata.labels, now.metadata.labels) &&
      same(before.metadata.annotations, now.metadata.annotations) &&
      !now.metadata.deletionTimestamp
    if (rule.ignoreStatusChanges && statusOnly) return
    const parent = now ?? before
    if (parent && this.cares(parent)) this.#queue.add(keyOf(parent))
  }

  #onChild(before: KubeObject | undefined, now: KubeObject | undefined): void {
    const child = now ?? before
    const owner = child && controllerOf(child)
    if (!child || !owner) return
    const informer = this.#parents.find(({ resource }) => resource.kind === owner.kind)
    const { namespace } = child.metadata
    const parent = informer?.get(namespace ? `${namespace}/${owner.name}` : owner.name)
    if (parent && parent.metadata.uid === owner.uid && this.cares(parent)) this.#queue.add(keyOf(parent))
  }

  async #sync(key: string): Promise<void> {
    const [group, name = ''] = key.split(' ')
    const informer = this.#parents.find(({ resource }) => groupName(resource) === group)
    const parent = informer?.get(name)
    if (!parent || !this.cares(parent)) return
    try {
      await this.plan.sync(parent, this)
    } catch (error) {
      this.#report(`${this.plan.name}: sync of ${key}: ${(error as Error).message}`)
      if (!(error instanceof TooManyRequests)) throw error
      this.#queue.addAfter(key, error.afterMs)
    }
  }
}

/** Writes an object; one that changed or went in between is left to the next sync. @returns whether it was written */
export async function writeUnlessChanged(write: Promise<unknown>): Promise<boolean> {
  const result = await write.then(() => true).catch(ignore(error => isConflict(error) || isNotFound(error)))
  return result ?? false
}

function keyOf(parent: KubeObject): string {
  return `${groupName(parent)} ${qualifiedName(parent)}`
}

function same(a: Record<string, string> = {}, b: Record<string, string> = {}): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every(key => a[key] === b[key])
}
