import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import { balancerObjects } from '../../hooks/composite/children/balancer-objects.ts'
import type { BalancerSpec } from '../../hooks/composite/spec/balancer-spec.ts'
import { planSidecar, type SidecarPlan } from '../../hooks/decorator/plan-sidecar.ts'
import { fresh } from './deployments.ts'
import { config } from './helper.ts'

/** Today's sidecar of a Deployment with these annotations and this pod. @throws {Error} where it is refused */
export function plan(annotations: Record<string, string> = {}, pod: object = {}): SidecarPlan {
  const planned = planSidecar(fresh(annotations, pod).object, config)
  if (!planned.ok) throw new Error(planned.message)
  return planned.plan
}

/** The balancer's pods with this spec. */
export function balancerPod(spec: Partial<BalancerSpec> = {}) {
  const objects = balancerObjects({ name: 'chat', namespace: 'team' }, { target: 'chat', ...spec }, config)
  const { spec: deployment } = objects.find(({ kind }) => kind === 'Deployment') as Deployment
  const pod = deployment!.template.spec!
  return { pod, container: pod.containers[0]! }
}

type Variable = { name: string; value?: string; valueFrom?: { fieldRef?: { fieldPath: string } } }

const POD: Record<string, string> = { 'status.podIP': '10.1.2.3', 'metadata.name': 'chat-abc' }

/** The environment of a container as the kubelet makes it: fields of the pod, then `$(NAME)` and `$$`. */
export function environment(variables: unknown, address = POD['status.podIP']!): Record<string, string> {
  const pod: Record<string, string> = { ...POD, 'status.podIP': address }
  const env: Record<string, string> = {}
  for (const { name, value = '', valueFrom } of variables as readonly Variable[]) {
    env[name] = valueFrom
      ? (pod[valueFrom.fieldRef?.fieldPath ?? ''] ?? '')
      : value.replace(/\$\$|\$\((\w+)\)/g, (text, key) => (text === '$$' ? '$' : (env[key] ?? text)))
  }
  return env
}
