import { balancerChildName } from '../../../lib/service/names.ts'
import { targetLabels } from '../../apply/object-labels.ts'

/** Name of the balancer's port in its pods and in its Service. */
export const PORT_NAME = 'ws'

/** Name of the container in the balancer's pods. */
export const CONTAINER = 'balancer'

/** The WebSocketBalancer that something is made for. */
export interface Owner {
  readonly name: string
  readonly namespace: string
}

/** Metadata of the objects made for a WebSocketBalancer. */
export interface ChildMetadata extends Owner {
  readonly labels: Record<string, string>
}

/** Labels of a balancer's pods. They are immutable in a selector, so they depend on the name only. */
export const selector = (child: string): Record<string, string> => ({
  'app.kubernetes.io/name': 'ws-operator-balancer',
  'app.kubernetes.io/instance': child,
})

/** Metadata that all children of a balancer have. */
export function childMetadata({ name, namespace }: Owner, target: string): ChildMetadata {
  const child = balancerChildName(name)
  return {
    name: child,
    namespace,
    labels: { ...selector(child), ...targetLabels(target) },
  }
}
