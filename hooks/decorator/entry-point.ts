import { API_VERSION, BALANCER_KIND, balancerChildName } from '../../lib/service/names.ts'
import type { Settings } from '../annotations/annotations.ts'
import { DEFAULT_SERVICE_PORT } from '../composite/spec/service-spec.ts'
import type { Deployment, ObservedObject, ObservedObjects } from '../requests/schemas.ts'
import { count, list, record } from '../requests/untyped.ts'

/** Where the clients of a Deployment connect, with the problem that its balancer reports, if any. */
export function describeEntry(
  { metadata: { name } }: Deployment,
  { balancer }: Settings,
  { [`${BALANCER_KIND}.${API_VERSION}`]: balancers }: ObservedObjects,
): string {
  if (balancer === 'none') return 'No balancer is made.'
  const made = Object.values(balancers ?? {}).find(({ metadata }) => metadata.name === name) as
    | (ObservedObject & { spec?: unknown; status?: unknown })
    | undefined
  if (balancers !== undefined && made === undefined)
    return `${BALANCER_KIND} ${name} is not made yet. If this stays, another one has that name: delete it, or keep it and set ws.operator/balancer to none.`
  const conditions = list(record(made?.status)['conditions']).map(record)
  const degraded = conditions.find(({ type, status }) => type === 'Degraded' && status === 'True')
  const port = count(record(record(made?.spec)['service'])['port']) || DEFAULT_SERVICE_PORT
  const entry = `Clients connect to Service ${balancerChildName(name)}, port ${port}.`
  if (!degraded) return entry
  const problem = `${BALANCER_KIND} ${name} is degraded (${degraded['reason']}): ${degraded['message']}`
  // The Service of that name may belong to another app.
  return degraded['reason'] === 'NameTaken' ? problem : `${entry} ${problem}`
}
