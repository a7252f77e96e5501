import type { Container } from 'kubernetes-types/core/v1.d.ts'
import { DEFAULT_ADMIN_PORT, DEFAULT_PORT, ENV_PREFIX, SIDECAR_CONTAINER } from '../../lib/service/names.ts'
import { containerEnv, type PodFacts } from '../processes/environment.ts'

/** A pod's resources on this machine. */
export interface LocalPod extends PodFacts {
  /** Where the members are written; the stand-in for the cluster's DNS and EndpointSlices. */
  readonly membersFile: string
  /** The port of this machine for a port of the pod: the same one, unless another program has it. */
  readonly port: (containerPort: number) => number
  /** Where clients connect, if not at the pod's own address: the stand-in for a Service. */
  entry: Entry | undefined
}

/** An address and a port of this machine. */
export interface Entry {
  readonly host: string
  readonly port: number
}

/** What the images hold, by the first argument of the container, else by the image's name without its tag. */
const PROGRAMS: Readonly<Record<string, string>> = {
  '/app/sidecar.js': 'sidecar/main.ts',
  '/app/balancer.js': 'balancer/main.ts',
  'ws-operator-example-chat': 'examples/chat/app.mjs',
}

/** The program of this repository that a container runs. @throws {Error} naming a container whose image is not known here */
export function programOf({ name, image = '', args = [] }: Container): string {
  const program = PROGRAMS[args[0] ?? ''] ?? PROGRAMS[image.replace(/:[^:/]*$/, '')]
  if (!program) throw new Error(`container ${name}: nothing on this machine runs image ${image} with ${args.join(' ')}`)
  return program
}

/** A preStop hook on this machine: arguments of Node, or a pause. */
export type LocalHook = { readonly argv: readonly string[] } | { readonly seconds: number }

/** The preStop hook of a container, if it has one. @throws {Error} naming a container whose hook this machine cannot run */
export function preStopOf({ name, lifecycle }: Container): LocalHook | undefined {
  const handler = lifecycle?.preStop
  if (!handler) return undefined
  if (handler.sleep) return { seconds: handler.sleep.seconds }
  const [program, ...args] = handler.exec?.command ?? []
  if (program !== 'node') {
    throw new Error(`container ${name}: nothing on this machine runs its preStop hook ${JSON.stringify(handler)}`)
  }
  return { argv: args.map(argument => PROGRAMS[argument] ?? argument) }
}

/** A container's whole environment on this machine: that of its spec, then the local differences. */
export function localContainerEnv(container: Container, pod: LocalPod): Record<string, string> {
  const env = containerEnv(container, pod)
  return { ...env, ...overrides(container, env, pod) }
}

/**
 * The differences from the environment that the hooks returned. A pod has an address instead of a network of its own; members come
 * from a file instead of the cluster; a taken port is replaced; one balancer process is enough on a shared machine.
 */
function overrides({ name }: Container, env: Readonly<Record<string, string>>, pod: LocalPod): Record<string, string> {
  const { ip, entry } = pod
  const setting = (key: string) => env[ENV_PREFIX + key]
  // A program of ours says where it finds the members; any other is an app.
  if (setting('DISCOVERY') === undefined) {
    const port = Number(env['PORT'])
    return { HOST: ip, ...(port > 0 && pod.port(port) !== port && { PORT: String(pod.port(port)) }) }
  }
  const moved = (key: string, fallback: number) => {
    const port = Number(setting(key) ?? fallback)
    return pod.port(port) === port ? {} : { [key]: pod.port(port) }
  }
  const port = Number(setting('PORT') ?? DEFAULT_PORT)
  const local = {
    HOST: ip,
    ADMIN_HOST: ip,
    DISCOVERY: 'file',
    MEMBERS_FILE: pod.membersFile,
    ...moved('PORT', DEFAULT_PORT),
    ...moved('ADMIN_PORT', DEFAULT_ADMIN_PORT),
    ...(name === SIDECAR_CONTAINER && { APP_HOST: ip, ...moved('APP_PORT', 0) }),
    ...(pod.port(port) !== port && setting('SELF') && { SELF: `${ip}:${pod.port(port)}` }),
    ...(entry && { HOST: entry.host, PORT: entry.port, WORKERS: 1 }),
  }
  return Object.fromEntries(Object.entries(local).map(([key, value]) => [ENV_PREFIX + key, String(value)]))
}

/** Ports that a pod listens on: those its containers declare, and those its probes ask. */
export function podPorts(containers: readonly Container[]): number[] {
  const ports = containers.flatMap(container => [
    ...(container.ports ?? []).map(({ containerPort }) => containerPort),
    ...[container.startupProbe, container.readinessProbe].flatMap(probe =>
      typeof probe?.httpGet?.port === 'number' ? [probe.httpGet.port] : [],
    ),
  ])
  return [...new Set(ports)]
}
