import { DEFAULT_HEADLESS_SERVICE, DOMAIN } from '../../lib/service/names.ts'
import type { Settings } from '../annotations/annotations.ts'
import type { ObservedObjects } from '../requests/schemas.ts'
import type { Refusal } from './refusals.ts'

/** Metacontroller's key of attached Services. */
const SERVICES = 'Service.v1'

/** Whether a name is the default suffix, alone or after a prefix: no other Services have such names. */
const isReservedName = (name: string): boolean =>
  name === DEFAULT_HEADLESS_SERVICE || name.endsWith(`-${DEFAULT_HEADLESS_SERVICE}`)

const has = (observed: ObservedObjects, service: string): boolean =>
  Object.values(observed[SERVICES] ?? {}).some(({ metadata }) => metadata.name === service)

/**
 * Refuses a name that a foreign Service could have: Metacontroller applies by force and would take that Service over. A decorator does
 * not see other Services, so only the name can tell (docs/adr/0011).
 *
 * @param observed attachments that exist already: their names are allowed
 */
export function refuseServiceName(settings: Settings, observed: ObservedObjects): Refusal | undefined {
  const name = settings['headless-service']
  if (name === undefined || isReservedName(name) || has(observed, name)) return undefined
  const message = `A Service named ${name} could belong to another app, and ws-operator would take it over. Set ${DOMAIN}/headless-service to ${DEFAULT_HEADLESS_SERVICE} or to a name that ends in -${DEFAULT_HEADLESS_SERVICE}, or remove it.`
  return { reason: 'headless-service', message }
}

/** Reports a missing Service: the API server refuses it where an existing one has another controller or a cluster IP. */
export function missingService(service: string, observed: ObservedObjects): string[] {
  if (Object.keys(observed[SERVICES] ?? {}).length > 0) return []
  return [
    `Service ${service} is not made yet, and without it the sidecars cannot find each other. If this stays, another Service has that name: delete it, or choose another name with ${DOMAIN}/headless-service.`,
  ]
}
