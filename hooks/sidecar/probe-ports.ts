import type { Container } from '../requests/schemas.ts'
import { list, record } from '../requests/untyped.ts'

/** How a probe asks: what speaks HTTP, HTTPS or gRPC there, or just takes connections. */
export type ProbeKind = 'http' | 'https' | 'grpc' | 'tcp'

export interface ProbePort {
  readonly port: number
  readonly kind: ProbeKind
  /** For messages: `readinessProbe`. */
  readonly probe: string
}

const PROBES = ['readinessProbe', 'startupProbe', 'livenessProbe'] as const

/** The ports of its own container that the probes of a container ask, by number; names are looked up among its declared ports. */
export function probePorts(container: Container): ProbePort[] {
  const fields = record(container)
  return PROBES.flatMap(probe => {
    const { httpGet, tcpSocket, grpc } = record(fields[probe])
    const asked = record(httpGet ?? tcpSocket ?? grpc)
    const port = portNumber(container, asked['port'])
    // With a host it asks somebody else.
    if (port === undefined || (asked['host'] !== undefined && asked['host'] !== '')) return []
    const http = asked['scheme'] === 'HTTPS' ? 'https' : 'http'
    return [{ port, probe, kind: httpGet ? http : tcpSocket ? 'tcp' : 'grpc' }]
  })
}

function portNumber({ ports = [] }: Container, port: unknown): number | undefined {
  if (typeof port === 'number' || /^\d{1,5}$/.test(String(port))) return Number(port)
  return ports.find(({ name }) => name !== undefined && name === port)?.containerPort
}

/** The port on which a container is told to listen, by the variable `PORT`: the one that programs and platforms agree on. */
export function ownPorts(container: Container): number[] {
  const { env } = record(container)
  const { value } =
    list(env)
      .map(record)
      .find(({ name }) => name === 'PORT') ?? {}
  return typeof value === 'string' && /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535 ? [Number(value)] : []
}
