import fc from 'fast-check'
import type { Test } from 'tap'
import type { DecoratorRequest } from '../../hooks/requests/schemas.ts'
import { recorded } from './helper.ts'

const SEED = 20_261_123

/** A labelled Deployment that nobody has touched yet, with the annotations and pod given. */
export function fresh(annotations: Record<string, string> = {}, pod: object = {}): DecoratorRequest {
  const request = recorded<DecoratorRequest>('decorator-sync-first')
  request.object.metadata.annotations = annotations
  Object.assign(request.object.spec.template.spec, pod)
  return request
}

/** Deployments of users: other containers, ports and annotations; all of them can be injected. */
const deployments = fc
  .record({
    annotations: fc.record(
      {
        'ws.operator/sidecar-mode': fc.constantFrom('native', 'classic'),
        'ws.operator/balancer': fc.constantFrom('auto', 'none'),
        'ws.operator/drain-seconds': fc.integer({ min: 1, max: 3600 }).map(String),
        'ws.operator/receipts': fc.constantFrom('true', 'false'),
        'ws.operator/expose-topology': fc.constantFrom('true', 'false'),
        'ws.operator/rehome': fc.constantFrom('transparent', 'close'),
        'ws.operator/rehome-hello': fc.constantFrom('none', 'first-text'),
        'ws.operator/rebalance': fc.constantFrom('gradual', 'on-reconnect', 'off'),
        'ws.operator/headless-service': fc.constantFrom('members-ws-proxy-headless', 'ws-proxy-headless'),
        'ws.operator/routing-key': fc.constantFrom('query:user', 'path:^/r/(.+)$'),
        'team/owner': fc.string({ maxLength: 20 }),
      },
      { requiredKeys: [] },
    ),
    ports: fc.uniqueArray(fc.constantFrom(80, 3000, 3001, 8080, 9090), { maxLength: 4 }),
    init: fc.boolean(),
    replicas: fc.integer({ min: 0, max: 9 }),
  })
  .map(({ annotations, ports, init, replicas }) => {
    const request = fresh({ ...annotations } as Record<string, string>, {
      containers: [
        {
          name: 'app',
          image: 'chat:1',
          ports: ports.map((containerPort, at) => ({
            containerPort,
            protocol: 'TCP',
            name: at === 0 ? 'http' : `other-${at}`,
          })),
        },
        { name: 'logs', image: 'logs:1', env: [{ name: 'A', value: 'b' }] },
      ],
      ...(init && { initContainers: [{ name: 'migrate', image: 'chat:1' }] }),
    })
    Object.assign(request.object.spec, { replicas })
    return request
  })

/** Whether a property holds for {@link deployments}; the counterexample is in the message if not. */
export function holds(t: Test, property: (request: DecoratorRequest) => void): void {
  t.doesNotThrow(() => fc.assert(fc.property(deployments, property), { seed: SEED, numRuns: 100 }))
}
