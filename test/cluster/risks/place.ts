import {
  DOMAIN,
  ENABLE_LABEL,
  SIDECAR_CONTAINER,
  STATUS_ANNOTATION,
  STATUS_MESSAGE_ANNOTATION,
} from '../../../lib/service/names.ts'
import packageJson from '../../../package.json' with { type: 'json' }
import { EXAMPLE_IMAGE } from '../../../scripts/image.ts'
import type { Api, KubeObject } from '../api.ts'
import { kubectl } from '../kubectl.ts'
import { waitFor } from '../wait.ts'

export const APP_IMAGE = `${EXAMPLE_IMAGE}:${packageJson.version}`

/** A container as a pod template has it. */
export interface Container {
  name: string
  image: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever a container has
  [field: string]: any
}

/** What of a Deployment a test wants otherwise than {@link app} makes it. */
export interface Wanted {
  readonly labelled?: boolean
  readonly image?: string
  readonly annotations?: Record<string, string>
  readonly ownerReferences?: object[]
  readonly spec?: object
  readonly pod?: object
}

/** A Deployment of the example app without pods and without a balancer; labelled unless told otherwise. */
export function app(name: string, wanted: Wanted = {}): KubeObject {
  const { labelled = true, image = APP_IMAGE, annotations, ownerReferences, spec, pod } = wanted
  const labels = { app: name }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name,
      labels: { ...labels, ...(labelled && { [ENABLE_LABEL]: 'true' }) },
      annotations: { [`${DOMAIN}/balancer`]: 'none', ...annotations },
      ...(ownerReferences && { ownerReferences }),
    } as KubeObject['metadata'],
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      ...spec,
      template: { metadata: { labels }, spec: { containers: [appContainer(image)], ...pod } },
    },
  }
}

/** The container of the example app. */
export const appContainer = (image = APP_IMAGE): Container => ({
  name: 'chat',
  image,
  imagePullPolicy: 'IfNotPresent',
  ports: [{ name: 'http', containerPort: 3001 }],
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 65532,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
})

export const status = ({ metadata }: KubeObject): string | undefined => metadata.annotations?.[STATUS_ANNOTATION]
export const message = ({ metadata }: KubeObject): string => metadata.annotations?.[STATUS_MESSAGE_ANNOTATION] ?? ''

/** The sidecar in a Deployment's pod template, as either kind. */
export function sidecar({ spec }: KubeObject): Container | undefined {
  const { containers, initContainers = [] } = spec.template.spec as Record<'containers' | 'initContainers', Container[]>
  return [...initContainers, ...containers].find(({ name }) => name === SIDECAR_CONTAINER)
}

/** Names of the containers of a Deployment's pod template, init containers first. */
export function containerNames({ spec }: KubeObject): [string[], string[]] {
  const { containers, initContainers = [] } = spec.template.spec as Record<'containers' | 'initContainers', Container[]>
  return [initContainers.map(({ name }) => name), containers.map(({ name }) => name)]
}

/** A namespace of a test, and what a user does and sees in it. */
export class Place {
  readonly api: Api
  readonly namespace: string

  constructor(api: Api, namespace: string) {
    this.api = api
    this.namespace = namespace
  }

  kubectl(...args: string[]): Promise<string> {
    return kubectl(['-n', this.namespace, ...args])
  }

  /** `kubectl apply` (or `create`, `replace`) of objects. @returns the Deployment of the first one's name, as it is then */
  async send(objects: KubeObject | KubeObject[], ...command: string[]): Promise<KubeObject> {
    const items = [objects].flat()
    const words = command.length > 0 ? command : ['apply']
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items })
    for (;;) {
      try {
        await kubectl([...words, '-n', this.namespace, '-f', '-'], { input })
        break
      } catch (error) {
        // Somebody else has written meanwhile: the operator's status is enough. A person would say it again.
        if (!String(error).includes('the object has been modified')) throw error
      }
    }
    return this.get(items[0]!.metadata.name)
  }

  /** Makes an object without kubectl, which costs a process. */
  async create({ metadata, ...object }: KubeObject): Promise<KubeObject> {
    const resource = await this.api.resource(object.apiVersion, object.kind)
    return this.api.create(resource, { ...object, metadata: { ...metadata, namespace: this.namespace } } as KubeObject)
  }

  /** Server-side apply under a field manager's name, by force; what is not in `object` is not touched. */
  async applyAs(manager: string, { metadata, ...object }: KubeObject): Promise<KubeObject> {
    const resource = await this.api.resource(object.apiVersion, object.kind)
    return this.api.apply(
      resource,
      { ...object, metadata: { ...metadata, namespace: this.namespace } } as KubeObject,
      manager,
    )
  }

  async get(name: string): Promise<KubeObject> {
    return this.api.get(await this.api.resource('apps/v1', 'deployments'), this.namespace, name)
  }

  async list(apiVersion: string, kind: string): Promise<KubeObject[]> {
    return (await this.api.list(await this.api.resource(apiVersion, kind), this.namespace)).items
  }

  /** ReplicaSets of a Deployment: one for each pod template that was rolled out and is not forgotten. */
  async replicaSets(name: string): Promise<KubeObject[]> {
    const all = await this.list('apps/v1', 'ReplicaSet')
    return all.filter(({ metadata }) => metadata.ownerReferences?.some(owner => owner.name === name))
  }

  async patch(name: string, patch: object, type = 'merge'): Promise<KubeObject> {
    const path = `/apis/apps/v1/namespaces/${this.namespace}/deployments/${name}`
    return (await this.api.request('PATCH', path, patch, `application/${type}-patch+json`)) as KubeObject
  }

  async label(name: string): Promise<KubeObject> {
    await this.patch(name, { metadata: { labels: { [ENABLE_LABEL]: 'true' } } })
    return this.injected(name)
  }

  unlabel(name: string): Promise<KubeObject> {
    return this.patch(name, { metadata: { labels: { [ENABLE_LABEL]: null } } })
  }

  annotate(name: string, annotations: Record<string, string | null>): Promise<KubeObject> {
    return this.patch(name, { metadata: { annotations } })
  }

  /** Waits for a state of a Deployment. */
  until(name: string, what: string, is: (object: KubeObject) => boolean, limitMs?: number): Promise<KubeObject> {
    const look = async () => {
      const now = await this.get(name)
      return is(now) && now
    }
    return waitFor(`${name}: ${what}`, look, limitMs)
  }

  /** Waits until the sidecar is there and the operator has seen it. */
  injected(name: string): Promise<KubeObject> {
    return this.until(name, 'injected', now => status(now) === 'Injected' && sidecar(now) !== undefined)
  }

  /** Waits until the operator has let go of a Deployment. */
  released(name: string, limitMs?: number): Promise<KubeObject> {
    return this.until(name, 'no finalizer', ({ metadata }) => metadata.finalizers === undefined, limitMs)
  }

  /** Waits until a Deployment is gone. @returns how long that took, in milliseconds */
  async gone(name: string, limitMs?: number): Promise<number> {
    const from = Date.now()
    const all = async () => (await this.list('apps/v1', 'Deployment')).map(({ metadata }) => metadata.name)
    await waitFor(`${name} is gone`, async () => !(await all()).includes(name), limitMs)
    return Date.now() - from
  }
}
