import { isDeepStrictEqual } from 'node:util'
import { type Api, isNotFound, type KubeObject } from '../api.ts'
import { type Children, ignore } from './children.ts'
import { type Controller, type Plan, writeUnlessChanged } from './controller.ts'
import { callHook, type HookSpec } from './hook.ts'
import {
  controllerOf,
  controllerReference,
  groupName,
  hasGarbageCollectorFinalizer,
  type LabelSelector,
  matches,
  type ObjectMap,
  relativeToParent,
  toObjectMap,
} from './objects.ts'
import { Related } from './related.ts'
import { childRules } from './rules.ts'

interface CompositeSpec {
  generateSelector?: boolean
  resyncPeriodSeconds?: number
  parentResource: {
    apiVersion: string
    resource: string
    labelSelector?: LabelSelector
    ignoreStatusChanges?: boolean
  }
  childResources?: Parameters<typeof childRules>[1]
  hooks: { sync: HookSpec; finalize?: HookSpec; customize?: HookSpec }
}

interface CompositeResponse {
  status?: Record<string, unknown> | null
  children?: KubeObject[] | null
  resyncAfterSeconds?: number
  finalized?: boolean
}

const RESPONSE_FIELDS = ['status', 'children', 'resyncAfterSeconds', 'finalized']

/** Label that a generated selector looks for; its value is the parent's uid. */
const UID_LABEL = 'controller-uid'

/** Plans what a CompositeController asks for. @throws when it asks for something that the stand-in leaves out */
export async function planComposite(api: Api, composite: KubeObject, children: Children): Promise<Plan> {
  const { parentResource, childResources = [], hooks, resyncPeriodSeconds } = composite.spec as CompositeSpec
  const related = hooks.customize && new Related(api, composite, hooks.customize)
  const { apiVersion, resource, labelSelector, ignoreStatusChanges = false } = parentResource
  return {
    name: composite.metadata.name,
    finalizer: `metacontroller.io/compositecontroller-${composite.metadata.name}`,
    finalizes: hooks.finalize !== undefined,
    parents: [{ resource: await api.resource(apiVersion, resource), selector: labelSelector, ignoreStatusChanges }],
    children: await childRules(api, childResources),
    resyncSeconds: resyncPeriodSeconds,
    sync: (parent, controller) => syncComposed(composite, parent, controller, children, related),
    stop: async () => related?.stop(),
  }
}

/** One sync of one parent, in the order of Metacontroller. */
async function syncComposed(
  composite: KubeObject,
  cached: KubeObject,
  controller: Controller,
  children: Children,
  related: Related | undefined,
): Promise<void> {
  let parent = await controller.withFinalizer(cached)
  if (!controller.cares(parent)) return
  const observed = await claimChildren(composite, parent, controller)
  const shown = (await related?.objects(parent, controller)) ?? {}
  const response = await callCompositeHook(composite, parent, controller, observed, shown)
  controller.syncAfter(parent, response.resyncAfterSeconds)
  if (response.finalized) {
    parent = await controller.update(parent, ({ metadata }) => {
      metadata.finalizers = (metadata.finalizers ?? []).filter(name => name !== controller.plan.finalizer)
    })
  }
  const desired = (response.children ?? []).map(child => selectable(composite, child, parent))
  const alive = !parent.metadata.deletionTimestamp
  const managed =
    alive || (controller.plan.finalizes && controller.hasFinalizer(parent) && !hasGarbageCollectorFinalizer(parent))
      ? children.manage(parent, observed, desired, group => controller.method(group))
      : Promise.resolve()
  // The status is written also where a child could not be; the error comes afterwards.
  const [result] = await Promise.allSettled([managed])
  await updateStatus(parent, response.status, controller)
  if (result.status === 'rejected') throw result.reason
}

function selectorOf(composite: KubeObject, parent: KubeObject): LabelSelector {
  if ((composite.spec as CompositeSpec).generateSelector)
    return { matchLabels: { [UID_LABEL]: parent.metadata.uid ?? '' } }
  const selector = parent['spec']?.selector as LabelSelector | undefined
  if (!selector?.matchLabels && !selector?.matchExpressions) {
    throw new Error('.spec.selector must have either matchLabels, matchExpressions, or both')
  }
  return selector
}

/** Children of a parent: its own that match; one that stopped matching is let go, an orphan that matches is adopted. */
async function claimChildren(composite: KubeObject, parent: KubeObject, controller: Controller): Promise<ObjectMap> {
  const selector = selectorOf(composite, parent)
  const seen = controller.seen(parent)
  const claimed: KubeObject[] = []
  for (const object of seen.flatMap(({ objects }) => objects)) {
    const owner = controllerOf(object)
    const selected = matches(selector, object.metadata.labels)
    if (owner?.uid === parent.metadata.uid) {
      if (selected) claimed.push(object)
      else await release(object, parent, controller).catch(ignore(isNotFound))
    } else if (!owner && selected && !object.metadata.deletionTimestamp && !parent.metadata.deletionTimestamp) {
      await adopt(object, parent, controller)
      claimed.push(object)
    }
  }
  return toObjectMap(
    claimed,
    seen.map(({ resource }) => groupName(resource)),
  )
}

function release(object: KubeObject, parent: KubeObject, controller: Controller): Promise<KubeObject> {
  return controller.update(object, ({ metadata }) => {
    metadata.ownerReferences = (metadata.ownerReferences ?? []).filter(({ uid }) => uid !== parent.metadata.uid)
  })
}

function adopt(object: KubeObject, parent: KubeObject, controller: Controller): Promise<KubeObject> {
  return controller.update(object, ({ metadata }) => {
    metadata.ownerReferences = [...(metadata.ownerReferences ?? []), controllerReference(parent)]
  })
}

function callCompositeHook(
  composite: KubeObject,
  parent: KubeObject,
  controller: Controller,
  observed: ObjectMap,
  related: ObjectMap,
): Promise<CompositeResponse> {
  const { sync, finalize } = (composite.spec as CompositeSpec).hooks
  const leaving = parent.metadata.deletionTimestamp !== undefined || !controller.matches(parent)
  const hook = leaving && finalize ? finalize : sync
  const request = {
    // The program sends its own type's empty status along.
    controller: { status: {}, ...composite },
    parent,
    children: hook.version === 'v2' ? observed : relativeToParent(observed, parent),
    related: hook.version === 'v2' ? related : relativeToParent(related, parent),
    finalizing: hook === finalize,
  }
  return callHook(hook, request, RESPONSE_FIELDS)
}

/** A desired child in the parent's namespace, with the label that a generated selector looks for. */
function selectable(composite: KubeObject, child: KubeObject, parent: KubeObject): KubeObject {
  const { namespace = parent.metadata.namespace } = child.metadata
  const generated = (composite.spec as CompositeSpec).generateSelector ? { [UID_LABEL]: parent.metadata.uid ?? '' } : {}
  const labels = { ...generated, ...child.metadata.labels }
  if (!matches(selectorOf(composite, parent), labels)) {
    throw new Error(`labels on desired child ${child.kind} ${child.metadata.name} don't match parent selector`)
  }
  return { ...child, metadata: { ...child.metadata, ...(namespace ? { namespace } : {}), labels } }
}

/** Replaces the whole status by what the hook returned and the generation it was computed for, where that is a change. */
async function updateStatus(
  parent: KubeObject,
  status: Record<string, unknown> | null | undefined,
  { api }: Controller,
): Promise<void> {
  const next = { ...status, observedGeneration: parent.metadata.generation }
  const resource = await api.resource(parent.apiVersion, parent.kind)
  const fresh = await api.get(resource, parent.metadata.namespace, parent.metadata.name).catch(ignore(isNotFound))
  if (!fresh || fresh.metadata.uid !== parent.metadata.uid || isDeepStrictEqual(fresh['status'], next)) return
  await writeUnlessChanged(api.put(resource, { ...fresh, status: next }, 'status'))
}
