import type { Container } from '../requests/schemas.ts'
import { list, record } from '../requests/untyped.ts'

/** Protocol of a probe; `tcp` only opens a connection. */
export type ProbeKind = 'http' | 'https' | 'grpc' | 'tcp'

export interface ProbePort {
  readonly port: number
  readonly kind: ProbeKind
  /** For messages: `readinessProbe`. */
  readonly probe: string
}

const PROBES = ['readinessProbe', 'startupProbe', 'livenessProbe'] as const

/** The ports that a container's probes check in it, by number; names are looked up among its declared ports. */
export function probePorts(container: Container): ProbePort[] {
  const fields = record(container)
  return PROBES.flatMap(probe => {
    const { httpGet, tcpSocket, grpc } = record(fields[probe])
    const asked = record(httpGet ?? tcpSocket ?? grpc)
    const port = portNumber(container, asked['port'])
    // A probe with a host checks another machine.
    if (port === undefined || (asked['host'] !== undefined && asked['host'] !== '')) return []
    const http = asked['scheme'] === 'HTTPS' ? 'https' : 'http'
    return [{ port, probe, kind: httpGet ? http : tcpSocket ? 'tcp' : 'grpc' }]
  })
}

function portNumber({ ports = [] }: Container, port: unknown): number | undefined {
  if (typeof port === 'number' || /^\d{1,5}$/.test(String(port))) return Number(port)
  return ports.find(({ name }) => name !== undefined && name === port)?.containerPort
}

/** The port in a container's variable `PORT`, by convention the one to listen on; empty without one. */
export function ownPorts(container: Container): number[] {
  const { env } = record(container)
  const { value } =
    list(env)
      .map(record)
      .find(({ name }) => name === 'PORT') ?? {}
  return typeof value === 'string' && /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535 ? [Number(value)] : []
}
