import { isDeepStrictEqual } from 'node:util'
import type { Api, KubeObject } from '../api.ts'
import type { Children } from './children.ts'
import { type Controller, type Plan, writeUnlessChanged } from './controller.ts'
import { callHook, type HookSpec } from './hook.ts'
import {
  controllerOf,
  DECORATOR_ANNOTATION,
  groupName,
  hasGarbageCollectorFinalizer,
  type LabelSelector,
  patchStrings,
  relativeToParent,
  toObjectMap,
} from './objects.ts'
import { childRules } from './rules.ts'

interface DecoratorSpec {
  resyncPeriodSeconds?: number
  resources: {
    apiVersion: string
    resource: string
    labelSelector?: LabelSelector
    annotationSelector?: unknown
    ignoreStatusChanges?: boolean
  }[]
  attachments?: Parameters<typeof childRules>[1]
  hooks: { sync: HookSpec; finalize?: HookSpec; customize?: unknown }
}

interface DecoratorResponse {
  labels?: Record<string, string | null> | null
  annotations?: Record<string, string | null> | null
  status?: object | null
  attachments?: KubeObject[] | null
  resyncAfterSeconds?: number
  finalized?: boolean
}

const RESPONSE_FIELDS = ['labels', 'annotations', 'status', 'attachments', 'resyncAfterSeconds', 'finalized']

/** Plans what a DecoratorController asks for. @throws when it asks for something that the stand-in leaves out */
export async function planDecorator(api: Api, decorator: KubeObject, children: Children): Promise<Plan> {
  const { resources, attachments = [], hooks, resyncPeriodSeconds } = decorator.spec as DecoratorSpec
  if (hooks.customize) throw new Error('the stand-in has no customize hooks')
  const parents = await Promise.all(
    resources.map(async ({ apiVersion, resource, labelSelector, annotationSelector, ignoreStatusChanges = false }) => {
      if (annotationSelector) throw new Error('the stand-in has no selectors by annotation')
      return { resource: await api.resource(apiVersion, resource), selector: labelSelector, ignoreStatusChanges }
    }),
  )
  return {
    name: decorator.metadata.name,
    finalizer: `metacontroller.io/decoratorcontroller-${decorator.metadata.name}`,
    finalizes: hooks.finalize !== undefined,
    parents,
    children: await childRules(api, attachments),
    resyncSeconds: resyncPeriodSeconds,
    sync: (parent, controller) => syncDecorated(decorator, parent, controller, children),
  }
}

/** One sync of one parent, in the order of Metacontroller. */
async function syncDecorated(
  decorator: KubeObject,
  cached: KubeObject,
  controller: Controller,
  children: Children,
): Promise<void> {
  const parent = await controller.withFinalizer(cached)
  if (!controller.cares(parent)) return
  const attachments = ownAttachments(decorator, parent, controller)
  const response = await callDecoratorHook(decorator, parent, controller, attachments)
  controller.syncAfter(parent, response.resyncAfterSeconds)
  if (!(await updateParent(parent, response, controller))) return
  const { deletionTimestamp } = parent.metadata
  if (deletionTimestamp && !shouldFinalize(parent, controller)) return
  const desired = (response.attachments ?? []).map(object => stamped(object, parent, decorator.metadata.name))
  await children.manage(parent, attachments, desired, group => controller.method(group))
}

/** What this decorator has made for this parent; a group for each declared resource, also an empty one. */
function ownAttachments(decorator: KubeObject, parent: KubeObject, controller: Controller) {
  const seen = controller.seen(parent)
  const own = seen
    .flatMap(({ objects }) => objects)
    .filter(
      object =>
        controllerOf(object)?.uid === parent.metadata.uid &&
        object.metadata.annotations?.[DECORATOR_ANNOTATION] === decorator.metadata.name,
    )
  return toObjectMap(
    own,
    seen.map(({ resource }) => groupName(resource)),
  )
}

function callDecoratorHook(
  decorator: KubeObject,
  parent: KubeObject,
  controller: Controller,
  attachments: ReturnType<typeof ownAttachments>,
): Promise<DecoratorResponse> {
  const { sync, finalize } = (decorator.spec as DecoratorSpec).hooks
  const leaving = parent.metadata.deletionTimestamp !== undefined || !controller.matches(parent)
  const hook = leaving && finalize ? finalize : sync
  const request = {
    // The program sends its own type's empty status along.
    controller: { status: {}, ...decorator },
    object: parent,
    attachments: hook.version === 'v2' ? attachments : relativeToParent(attachments, parent),
    related: {},
    finalizing: hook === finalize,
  }
  return callHook(hook, request, RESPONSE_FIELDS)
}

/**
 * Writes the labels, annotations and status of a response, and takes the finalizer away where it says finalized.
 *
 * @returns false where the parent changed in between: then this sync ends here, as Metacontroller's does
 */
async function updateParent(parent: KubeObject, response: DecoratorResponse, controller: Controller): Promise<boolean> {
  const labels = patchStrings(parent.metadata.labels, response.labels)
  const annotations = patchStrings(parent.metadata.annotations, response.annotations)
  const statusChanged = response.status ? !isDeepStrictEqual(response.status, parent['status'] ?? {}) : false
  const finalized = response.finalized === true && controller.hasFinalizer(parent)
  if (!labels && !annotations && !statusChanged && !finalized) return true
  const resource = await controller.api.resource(parent.apiVersion, parent.kind)
  const next: KubeObject = {
    ...parent,
    ...(statusChanged ? { status: response.status } : {}),
    metadata: { ...parent.metadata, ...(labels ? { labels } : {}), ...(annotations ? { annotations } : {}) },
  }
  if (statusChanged && resource.hasStatus) {
    const written = controller.api.put(resource, next, 'status').then(({ metadata: { resourceVersion = '' } }) => {
      next.metadata.resourceVersion = resourceVersion
    })
    if (!(await writeUnlessChanged(written))) return false
  }
  if (finalized) {
    next.metadata.finalizers = (next.metadata.finalizers ?? []).filter(name => name !== controller.plan.finalizer)
  }
  return writeUnlessChanged(controller.api.put(resource, next))
}

/** Whether the children of a parent that is being deleted are ours to manage, not the garbage collector's. */
function shouldFinalize(parent: KubeObject, controller: Controller): boolean {
  return controller.plan.finalizes && controller.hasFinalizer(parent) && !hasGarbageCollectorFinalizer(parent)
}

/** A desired attachment in the parent's namespace, with the annotation that says who made it. */
function stamped(object: KubeObject, parent: KubeObject, name: string): KubeObject {
  const { namespace = parent.metadata.namespace, annotations } = object.metadata
  return {
    ...object,
    metadata: {
      ...object.metadata,
      ...(namespace ? { namespace } : {}),
      annotations: { ...annotations, [DECORATOR_ANNOTATION]: name },
    },
  }
}
