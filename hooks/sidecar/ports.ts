import {
  ALTERNATIVE_ADMIN_PORT,
  ALTERNATIVE_SIDECAR_PORT,
  DEFAULT_ADMIN_PORT,
  DEFAULT_PORT,
  ENV_PREFIX,
  SIDECAR_CONTAINER,
  SIDECAR_PORT_NAME,
} from '../../lib/service/names.ts'
import type { Settings } from '../annotations/annotations.ts'
import type { Container, PodSpec } from '../requests/schemas.ts'
import { type AppPort, findAppPort } from './app-port.ts'
import { ownPorts, probePorts } from './probe-ports.ts'

export interface Ports {
  readonly app: number
  readonly sidecar: number
  readonly admin: number
}

export interface PortsFound {
  readonly ok: true
  readonly ports: Ports
  /** Whether the app's port is a guess: no annotation, container or probe names one. */
  readonly guessed: boolean
  /** Which port was chosen for the app and why, if there was a choice; a whole sentence. */
  readonly choice?: string
}

export type PortsResult =
  | PortsFound
  | { readonly ok: false; readonly reason: 'app-port' | 'ambiguous-port' | 'port-taken'; readonly message: string }

/** The containers that run beside the sidecar: no init containers that end. */
export const appContainers = ({ containers, initContainers = [] }: PodSpec): Container[] =>
  [...containers, ...initContainers.filter(({ restartPolicy }) => restartPolicy === 'Always')].filter(
    ({ name }) => name !== SIDECAR_CONTAINER,
  )

/** TCP ports that a container declares. */
export const tcpPorts = ({ ports = [] }: Container) => ports.filter(({ protocol = 'TCP' }) => protocol === 'TCP')

/**
 * Chooses the three ports of an injected pod, none of them twice.
 *
 * @param current the app's port in the environment of the present sidecar, if it is ours
 */
export function choosePorts(pod: PodSpec, settings: Settings, current?: number): PortsResult {
  const declared = appContainers(pod).flatMap(tcpPorts)
  const wanted = settings['app-port']
  const found = wanted === undefined ? findAppPort(pod, current) : annotated(wanted, declared)
  if (!found.ok) return found
  const { port: app, guessed } = found
  const probed = appContainers(pod).flatMap(probePorts)
  const taken = new Set([
    app,
    ...declared.map(({ containerPort }) => containerPort),
    // What is asked, or named by PORT, is listened on, declared or not.
    ...probed.map(({ port }) => port),
    ...appContainers(pod).flatMap(ownPorts),
  ])
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
  return { ok: true, ports: { app, sidecar, admin }, guessed, ...(found.choice && { choice: found.choice }) }
}

function annotated(
  wanted: number | string,
  declared: ReturnType<typeof tcpPorts>,
): AppPort | (PortsResult & { ok: false }) {
  const port = typeof wanted === 'number' ? wanted : declared.find(({ name }) => name === wanted)?.containerPort
  if (port !== undefined) return { ok: true, port, guessed: false }
  const names = declared.flatMap(({ name }) => name ?? []).sort()
  return {
    ok: false,
    reason: 'app-port',
    message: `No container port is named ${JSON.stringify(wanted)} (named ports: ${names.join(', ') || 'none'}). Set ws.operator/app-port to one of them or to a number.`,
  }
}

/** The ports of a present sidecar, which may be of another version; `undefined` where its container lacks one. */
export function portsOf({ ports = [], env = [] }: Container): Pick<Ports, 'app' | 'sidecar'> | undefined {
  const sidecar = ports.find(({ name }) => name === SIDECAR_PORT_NAME)?.containerPort
  const { value } = (env.find(({ name }) => name === `${ENV_PREFIX}APP_PORT`) ?? {}) as { value?: unknown }
  const app = typeof value === 'string' && /^\d{1,5}$/.test(value) ? Number(value) : undefined
  return sidecar === undefined || app === undefined ? undefined : { sidecar, app }
}
