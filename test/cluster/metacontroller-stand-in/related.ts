import type { Api, KubeObject } from '../api.ts'
import type { Controller } from './controller.ts'
import { callHook, type HookSpec } from './hook.ts'
import { Informer } from './informer.ts'
import { groupName, type LabelSelector, matches, type ObjectMap, toObjectMap } from './objects.ts'

interface RelatedRule {
  apiVersion: string
  resource: string
  namespace?: string
  names?: string[]
  labelSelector?: LabelSelector
}

/** What a composite's customize hook asks to be shown beside the children, and the syncs that its changes cause. */
export class Related {
  readonly #api: Api
  readonly #composite: KubeObject
  readonly #hook: HookSpec
  readonly #informers = new Map<string, Promise<Informer>>()
  /** By uid and generation, as Metacontroller keeps the answers. */
  readonly #rules = new Map<string, Promise<RelatedRule[]>>()

  constructor(api: Api, composite: KubeObject, hook: HookSpec) {
    this.#api = api
    this.#composite = composite
    this.#hook = hook
  }

  /** The related objects of a parent; a group for each rule, also an empty one. */
  async objects(parent: KubeObject, controller: Controller): Promise<ObjectMap> {
    const rules = await this.#rulesOf(parent)
    const found = await Promise.all(
      rules.map(async rule => {
        const informer = await this.#informer(rule, controller)
        return { group: groupName(informer.resource), objects: informer.list().filter(object => selects(rule, object)) }
      }),
    )
    return toObjectMap(
      found.flatMap(({ objects }) => objects),
      found.map(({ group }) => group),
    )
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#informers.values()].map(async informer => (await informer).stop()))
  }

  #rulesOf(parent: KubeObject): Promise<RelatedRule[]> {
    const key = `${parent.metadata.uid} ${parent.metadata.generation}`
    let rules = this.#rules.get(key)
    if (!rules) {
      const request = { controller: { status: {}, ...this.#composite }, parent }
      rules = callHook<{ relatedResources?: RelatedRule[] }>(this.#hook, request, ['relatedResources']).then(
        answer => answer.relatedResources ?? [],
      )
      this.#rules.set(key, rules)
      rules.catch(() => this.#rules.delete(key))
    }
    return rules
  }

  #informer({ apiVersion, resource }: RelatedRule, controller: Controller): Promise<Informer> {
    const key = `${apiVersion} ${resource}`
    let started = this.#informers.get(key)
    if (!started) {
      started = this.#api.resource(apiVersion, resource).then(async found => {
        const informer = new Informer(this.#api, found, (before, now) => void this.#onChange(controller, before, now))
        await informer.start()
        return informer
      })
      this.#informers.set(key, started)
    }
    return started
  }

  async #onChange(controller: Controller, before: KubeObject | undefined, now: KubeObject | undefined): Promise<void> {
    for (const parent of controller.parents()) {
      // A hook that cannot answer now is asked again by the next sync.
      const rules = await this.#rulesOf(parent).catch(() => [])
      const seen = [before, now].filter(object => object !== undefined)
      const concerned = rules.some(rule => seen.some(object => isOf(rule, object) && selects(rule, object)))
      if (concerned) controller.enqueue(parent)
    }
  }
}

/** The kinds here are regular: a resource is its kind's plural. */
const isOf = ({ apiVersion, resource }: RelatedRule, object: KubeObject): boolean =>
  object.apiVersion === apiVersion && `${object.kind.toLowerCase()}s` === resource

function selects({ namespace, names, labelSelector }: RelatedRule, { metadata }: KubeObject): boolean {
  return (
    (namespace === undefined || metadata.namespace === namespace) &&
    (names === undefined || names.includes(metadata.name)) &&
    matches(labelSelector, metadata.labels)
  )
}
