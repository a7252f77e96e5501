import type { Service } from 'kubernetes-types/core/v1.d.ts'
import { APP_PROTOCOL } from '../../apply/object-labels.ts'
import { list, record } from '../../requests/untyped.ts'
import type { BalancerSpec } from '../spec/balancer-spec.ts'
import { DEFAULT_SERVICE_PORT } from '../spec/service-spec.ts'
import { type ChildMetadata, PORT_NAME, selector } from './child-names.ts'

/** The Service at which clients connect. */
export function serviceObject(metadata: ChildMetadata, { service = {} }: BalancerSpec): Service {
  const { type = 'ClusterIP', annotations, externalTrafficPolicy } = service
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, ...(annotations && { annotations }) },
    spec: {
      type,
      selector: selector(metadata.name),
      ...(externalTrafficPolicy && { externalTrafficPolicy }),
      ports: [
        {
          name: PORT_NAME,
          port: service.port ?? DEFAULT_SERVICE_PORT,
          targetPort: PORT_NAME,
          protocol: 'TCP',
          appProtocol: APP_PROTOCOL,
        },
      ],
    },
  }
}

/**
 * Where clients connect, as host:port: the load balancer if the spec asks for one, else the Service's name in the cluster.
 *
 * @param observed the Service in the cluster, if it exists
 * @returns `undefined` while the load balancer has no address
 */
export function addressOf(
  { name, namespace }: ChildMetadata,
  { service = {} }: BalancerSpec,
  observed: object | undefined,
): string | undefined {
  const host = service.type === 'LoadBalancer' ? loadBalancerHost(observed) : `${name}.${namespace}.svc`
  if (observed === undefined || host === undefined) return undefined
  return `${host.includes(':') ? `[${host}]` : host}:${service.port ?? DEFAULT_SERVICE_PORT}`
}

function loadBalancerHost(service: object | undefined): string | undefined {
  const { ingress } = record(record(record(service)['status'])['loadBalancer'])
  const [first] = list(ingress).map(record)
  return [first?.['hostname'], first?.['ip']].find(host => typeof host === 'string' && host !== '') as
    | string
    | undefined
}
