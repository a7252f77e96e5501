import { DEFAULT_HEADLESS_SERVICE, DOMAIN } from '../../lib/service/names.ts'
import type { Settings } from '../annotations/annotations.ts'
import type { ObservedObjects } from '../requests/schemas.ts'
import type { Refusal } from './refusals.ts'

/** Attachments of this kind, by Metacontroller's name for it. */
const SERVICES = 'Service.v1'

/** A name that only sidecars' Services have: the suffix of the default name, with or without something before it. */
const isOurKindOfName = (name: string): boolean =>
  name === DEFAULT_HEADLESS_SERVICE || name.endsWith(`-${DEFAULT_HEADLESS_SERVICE}`)

const has = (observed: ObservedObjects, service: string): boolean =>
  Object.values(observed[SERVICES] ?? {}).some(({ metadata }) => metadata.name === service)

/**
 * Refuses a name that the Service of somebody else could have: Metacontroller applies by force and would take it over. A decorator is
 * not shown what else there is, so only the name can tell (docs/adr/0011).
 *
 * @param observed what Metacontroller has made for the Deployment already: that stays, whatever its name
 */
export function refuseServiceName(settings: Settings, observed: ObservedObjects): Refusal | undefined {
  const name = settings['headless-service']
  if (name === undefined || isOurKindOfName(name) || has(observed, name)) return undefined
  const message = `A Service named ${name} could be somebody's, and would be taken over. Set ${DOMAIN}/headless-service to ${DEFAULT_HEADLESS_SERVICE} or to a name that ends in -${DEFAULT_HEADLESS_SERVICE}, or remove it.`
  return { reason: 'headless-service', message }
}

/** Says that there is no Service yet: the API server refuses it where the one of that name has another controller or a cluster IP. */
export function missingService(service: string, observed: ObservedObjects): string[] {
  if (Object.keys(observed[SERVICES] ?? {}).length > 0) return []
  return [
    `Service ${service} is not made yet, and without it the sidecars do not find each other. If this stays, there is one that ws-operator did not make for this Deployment: delete it, or name another one with ${DOMAIN}/headless-service.`,
  ]
}
