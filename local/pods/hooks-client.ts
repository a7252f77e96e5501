import { isDeepStrictEqual } from 'node:util'
import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import { BALANCER_KIND, STATUS_ANNOTATION, STATUS_MESSAGE_ANNOTATION } from '../../lib/service/names.ts'
import { type Fields, mergeApplied } from './apply.ts'

/** An object of Kubernetes, as far as this file looks at it. */
export interface KubeObject extends Fields {
  apiVersion: string
  kind: string
  metadata: { name: string; namespace: string; uid: string; annotations?: Record<string, string> } & Fields
}

interface DecoratorAnswer {
  readonly annotations?: Readonly<Record<string, string | null>>
  readonly attachments: readonly KubeObject[]
}

interface CompositeAnswer {
  readonly status: { readonly conditions: readonly { readonly type: string; readonly message: string }[] }
  readonly children: readonly KubeObject[]
}

/** What the hooks made of a Deployment. */
export interface Decorated {
  readonly deployment: Deployment & KubeObject
  /** Everything else they asked for. */
  readonly attachments: readonly KubeObject[]
  /** One line for each answer. */
  readonly answers: readonly string[]
}

/** Answers until nothing changes any more; a hook that needs more does not converge. */
const MAX_SYNCS = 10
const TIMEOUT_MS = 10_000

/** Plays Metacontroller's part towards the hooks: asks them, applies what they answer, and asks again. */
export class HooksClient {
  readonly #url: string
  #objects = 0

  /** @param url where the hooks listen, without a path */
  constructor(url: string) {
    this.#url = url
  }

  /**
   * Syncs a Deployment until an answer changes nothing.
   *
   * @throws {Error} where the hooks refuse it, or do not come to an end
   */
  async decorate(given: Deployment): Promise<Decorated> {
    const object = this.#created(given as unknown as KubeObject)
    const attachments = new Map<string, KubeObject>()
    const answers: string[] = []
    for (let sync = 1; sync <= MAX_SYNCS; sync++) {
      const answer = await this.#ask<DecoratorAnswer>('/decorator/sync', 'DecoratorController', {
        object,
        attachments: observed(attachments.values()),
      })
      const before = structuredClone([object, [...attachments.values()]])
      const status = this.#applyDecoration(object, attachments, answer)
      const changed = !isDeepStrictEqual(before, [object, [...attachments.values()]])
      const said = `${status}: ${object.metadata.annotations?.[STATUS_MESSAGE_ANNOTATION]}`
      answers.push(changed ? said : `${status} again, and nothing left to change`)
      if (status === 'Refused') throw new Error(`the hooks refuse the Deployment: ${said}`)
      if (!changed && status === 'Injected') {
        return { deployment: object as never, attachments: [...attachments.values()], answers }
      }
    }
    throw new Error(`the hooks did not come to an end in ${MAX_SYNCS} syncs:\n${answers.join('\n')}`)
  }

  /** Syncs a WebSocketBalancer once with the children it has. */
  async balance(
    parent: KubeObject,
    children: readonly KubeObject[],
  ): Promise<{ status: string; children: KubeObject[] }> {
    const answer = await this.#ask<CompositeAnswer>('/composite/sync', 'CompositeController', {
      parent,
      children: observed(children),
    })
    parent['status'] = answer.status
    const merged = answer.children.map(desired => {
      const live = children.find(
        ({ kind, metadata }) => kind === desired.kind && metadata.name === desired.metadata.name,
      )
      const next = live ?? this.#created({ apiVersion: desired.apiVersion, kind: desired.kind, metadata: {} } as never)
      mergeApplied(next, desired)
      return next
    })
    const { conditions } = answer.status
    const ready = conditions.find(({ type }) => type === 'Ready')
    return { status: ready?.message ?? '', children: merged }
  }

  #applyDecoration(object: KubeObject, attachments: Map<string, KubeObject>, answer: DecoratorAnswer): string {
    for (const [name, value] of Object.entries(answer.annotations ?? {})) {
      object.metadata.annotations ??= {}
      if (value === null) delete object.metadata.annotations[name]
      else object.metadata.annotations[name] = value
    }
    for (const desired of answer.attachments) {
      if (desired.kind === object.kind && desired.metadata.name === object.metadata.name) {
        mergeApplied(object, desired)
        continue
      }
      const key = `${desired.kind}/${desired.metadata.name}`
      const live = attachments.get(key) ?? this.#created({ ...desired, metadata: { ...desired.metadata } })
      attachments.set(key, live)
      mergeApplied(live, desired)
    }
    return object.metadata.annotations?.[STATUS_ANNOTATION] ?? 'no status'
  }

  /** What the API server adds when an object is created. */
  #created(object: KubeObject): KubeObject {
    const { kind, metadata } = object
    return {
      ...object,
      metadata: {
        ...metadata,
        namespace: metadata.namespace ?? 'default',
        uid: `local-${kind.toLowerCase()}-${++this.#objects}`,
        creationTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
      },
    }
  }

  async #ask<T>(path: string, kind: string, body: object): Promise<T> {
    const controller = {
      apiVersion: 'metacontroller.k8s.io/v1alpha1',
      kind,
      metadata: { name: 'ws-operator' },
    }
    const response = await fetch(this.#url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ controller, ...body, related: {}, finalizing: false }),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`POST ${path} answered ${response.status}: ${text}`)
    return JSON.parse(text) as T
  }
}

/** Objects as version 2 of the hooks has them: by `Kind.apiVersion`, then by `namespace/name`. */
function observed(objects: Iterable<KubeObject>): Record<string, Record<string, KubeObject>> {
  const result: Record<string, Record<string, KubeObject>> = {}
  for (const object of objects) {
    const group = `${object.kind}.${object.apiVersion}`
    result[group] ??= {}
    result[group][`${object.metadata.namespace}/${object.metadata.name}`] = object
  }
  return result
}

/** The balancer among a Deployment's attachments. @throws {Error} where there is none */
export function findBalancer(attachments: readonly KubeObject[]): KubeObject {
  const found = attachments.find(({ kind }) => kind === BALANCER_KIND)
  if (!found) throw new Error(`the hooks asked for no ${BALANCER_KIND}`)
  return found
}
