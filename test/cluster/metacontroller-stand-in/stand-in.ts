import type { Api, KubeObject } from '../api.ts'
import { Children } from './children.ts'
import { planComposite } from './composite.ts'
import { Controller } from './controller.ts'
import { planDecorator } from './decorator.ts'
import { readAuthorizations } from './hook.ts'

const API_VERSION = 'metacontroller.k8s.io/v1alpha1'

export interface StandInOptions {
  readonly api: Api
  readonly fieldManager: string
  /** Only controllers with these labels, as `--target-label-selector`. */
  readonly labelSelector?: string
  /** Takes a line for each sync that fails. */
  readonly report: (line: string) => void
}

export interface StandIn {
  /** Syncs every parent of every controller once more; resolves when that is done. */
  resync(): Promise<void>
  stop(): Promise<void>
}

/** Starts a controller for each DecoratorController and CompositeController that the cluster has now. */
export async function startStandIn({
  api,
  fieldManager,
  labelSelector = '',
  report,
}: StandInOptions): Promise<StandIn> {
  const children = new Children(api, fieldManager)
  const find = async (resource: string): Promise<KubeObject[]> => {
    const { items } = await api.list(await api.resource(API_VERSION, resource), undefined, labelSelector)
    for (const { spec } of items) await readAuthorizations(api, spec.hooks)
    return items
  }
  const plans = await Promise.all([
    ...(await find('decoratorcontrollers')).map(decorator => planDecorator(api, decorator, children)),
    ...(await find('compositecontrollers')).map(composite => planComposite(api, composite, children)),
  ])
  const controllers = plans.map(plan => new Controller(api, plan, report))
  const stop = async () => {
    await Promise.all(controllers.map(controller => controller.stop()))
  }
  try {
    await Promise.all(controllers.map(controller => controller.start()))
  } catch (error) {
    await stop()
    throw error
  }
  const resync = async () => {
    await Promise.all(controllers.map(controller => controller.resync()))
  }
  return { resync, stop }
}
