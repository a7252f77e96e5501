import { Errors } from 'typebox/value'
import { parseRoutingKey } from '../../../lib/routing/key/routing-key.ts'
import { balancerChildName, headlessServiceName } from '../../../lib/service/names.ts'
import { isServiceName } from '../../annotations/values.ts'
import { keepAliveProblems } from '../variables/keep-alive.ts'
import { type BalancerSpec, balancerSpec } from './balancer-spec.ts'
import { resourcesOf } from './resources.ts'

export type SpecResult =
  | { readonly ok: true; readonly spec: BalancerSpec }
  | { readonly ok: false; readonly message: string }

/** Checks a user's spec and the name of its balancer; reports all problems, of the fields the first 8, as typebox does. */
export function readSpec(name: string, given: unknown): SpecResult {
  const problems = Errors(balancerSpec, given).map(
    ({ instancePath, message }) => `spec${instancePath.replaceAll('/', '.')} ${message}`,
  )
  const child = balancerChildName(name)
  if (!isServiceName(child)) problems.push(`metadata.name: ${child} is no valid name of a Service`)
  if (problems.length > 0) return { ok: false, message: `${problems.join('; ')}.` }
  const spec = given as BalancerSpec
  const silence = keepAliveProblems(spec.keepAlive)
  if (silence.length > 0) return { ok: false, message: `${silence.join('; ')}.` }
  try {
    if (spec.routing?.key !== undefined) parseRoutingKey(spec.routing.key)
  } catch (error) {
    return { ok: false, message: `spec.routing.key: ${(error as Error).message}.` }
  }
  try {
    resourcesOf(spec.resources)
  } catch (error) {
    return { ok: false, message: `spec.resources: a quantity must be ${(error as Error).message}.` }
  }
  const service = backendService(spec)
  if (!isServiceName(service))
    return { ok: false, message: `${service} is no valid name of a Service: set spec.backend.` }
  return { ok: true, spec }
}

/** Name of the headless Service behind a balancer. */
export const backendService = ({ backend, target }: BalancerSpec): string =>
  backend?.service ?? headlessServiceName(target)
