import type { Container } from 'kubernetes-types/core/v1.d.ts'

/** What of a pod its containers can ask for. */
export interface PodFacts {
  readonly name: string
  readonly namespace: string
  readonly ip: string
}

const FIELDS: Readonly<Record<string, (pod: PodFacts) => string>> = {
  'metadata.name': pod => pod.name,
  'metadata.namespace': pod => pod.namespace,
  'status.podIP': pod => pod.ip,
}

/**
 * The environment that the kubelet gives a container: in order, with `$(NAME)` replaced by an earlier variable and `$$` by `$`.
 * A reference to an unknown name is kept.
 *
 * @throws {Error} naming a variable whose source this machine cannot provide
 */
export function containerEnv({ name, env = [] }: Container, pod: PodFacts): Record<string, string> {
  const result: Record<string, string> = {}
  for (const { name: variable, value = '', valueFrom } of env) {
    if (!valueFrom) {
      result[variable] = expand(value, result)
      continue
    }
    const read = FIELDS[valueFrom.fieldRef?.fieldPath ?? '']
    if (!read) {
      const known = Object.keys(FIELDS).join(', ')
      throw new Error(
        `container ${name}, variable ${variable}: here a value can only come from the fields ${known}, not from ${JSON.stringify(valueFrom)}`,
      )
    }
    result[variable] = read(pod)
  }
  return result
}

/** Replaces `$(NAME)` as Kubernetes does in `env` and `args`. */
export function expand(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\$\$|\$\(([^)]*)\)/g, (match, name: string | undefined) =>
    name === undefined ? '$' : Object.hasOwn(values, name) ? (values[name] as string) : match,
  )
}
