import {
  ALTERNATIVE_ADMIN_PORT,
  ALTERNATIVE_SIDECAR_PORT,
  DEFAULT_ADMIN_PORT,
  DEFAULT_APP_PORT,
  DEFAULT_PORT,
  ENV_PREFIX,
  SIDECAR_CONTAINER,
  SIDECAR_PORT_NAME,
} from '../lib/service/names.ts'
import { APP_PORT_NAMES, type Settings } from './annotations.ts'
import type { Container, PodSpec } from './schemas.ts'

export interface Ports {
  readonly app: number
  readonly sidecar: number
  readonly admin: number
}

export interface PortsFound {
  readonly ok: true
  readonly ports: Ports
  /** Whether nothing says where the app listens, neither an annotation nor a container. */
  readonly guessed: boolean
}

export type PortsResult =
  | PortsFound
  | { readonly ok: false; readonly reason: 'app-port' | 'port-taken'; readonly message: string }

/** The containers that run beside the sidecar: all but itself and init containers that end. */
export const neighbours = ({ containers, initContainers = [] }: PodSpec): Container[] =>
  [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')].filter(
    ({ name }) => name !== SIDECAR_CONTAINER,
  )

/** TCP ports that a container declares. */
export const tcpPorts = ({ ports = [] }: Container) => ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP')

/** Chooses the three ports of an injected pod, none of them twice. */
export function choosePorts(pod: PodSpec, settings: Settings): PortsResult {
  const declared = neighbours(pod).flatMap(tcpPorts)
  const wanted = settings['app-port'] ?? defaultAppPort(declared)
  const app = typeof wanted === 'number' ? wanted : declared.find(({ name }) => name === wanted)?.containerPort
  if (app === undefined) {
    const names = declared.flatMap(({ name }) => name ?? []).sort()
    return {
      ok: false,
      reason: 'app-port',
      message: `No container port is named ${JSON.stringify(wanted)} (named ports: ${names.join(', ') || 'none'}). Set ws.operator/app-port to one of them or to a number.`,
    }
  }
  const taken = new Set([app, ...declared.map(({ containerPort }) => containerPort)])
  const candidates = settings['sidecar-port'] ? [settings['sidecar-port']] : [DEFAULT_PORT, ALTERNATIVE_SIDECAR_PORT]
  const sidecar = candidates.find(port => !taken.has(port))
  if (sidecar === undefined) {
    return {
      ok: false,
      reason: 'port-taken',
      message: `The app already uses port ${candidates.join(' and ')}. Set ws.operator/sidecar-port to a free port.`,
    }
  }
  taken.add(sidecar)
  const admin = [DEFAULT_ADMIN_PORT, ALTERNATIVE_ADMIN_PORT].find(port => !taken.has(port))
  if (admin === undefined) {
    return {
      ok: false,
      reason: 'port-taken',
      message: `The pod already uses port ${DEFAULT_ADMIN_PORT} and ${ALTERNATIVE_ADMIN_PORT}; the sidecar needs one of them for its probes. Free one.`,
    }
  }
  const guessed = settings['app-port'] === undefined && declared.length === 0
  return { ok: true, ports: { app, sidecar, admin }, guessed }
}

/** The ports of a sidecar that is there, as far as its container says both; it may be of another version. */
export function portsOf({ ports = [], env = [] }: Container): Pick<Ports, 'app' | 'sidecar'> | undefined {
  const sidecar = ports.find(({ name }) => name === SIDECAR_PORT_NAME)?.containerPort
  const { value } = (env.find(({ name }) => name === `${ENV_PREFIX}APP_PORT`) ?? {}) as { value?: unknown }
  const app = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : undefined
  return sidecar === undefined || app === undefined ? undefined : { sidecar, app }
}

function defaultAppPort(declared: ReturnType<typeof tcpPorts>): number {
  const named = APP_PORT_NAMES.map(wanted => declared.find(({ name }) => name === wanted)).find(port => port)
  return (named ?? declared[0])?.containerPort ?? DEFAULT_APP_PORT
}
