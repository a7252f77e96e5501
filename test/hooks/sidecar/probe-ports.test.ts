import t from 'tap'
import type { Container } from '../../../hooks/requests/schemas.ts'
import { ownPorts, probePorts } from '../../../hooks/sidecar/probe-ports.ts'

const PORTS = [{ name: 'http', containerPort: 8080 }, { containerPort: 9000 }]
const asked = (readinessProbe: unknown) => probePorts({ name: 'app', ports: PORTS, readinessProbe } as Container)

t.test('a probe tells a port and the protocol that is spoken there', async t => {
  for (const [probe, port, kind] of [
    [{ httpGet: { port: 8080 } }, 8080, 'http'],
    [{ httpGet: { port: 'http' } }, 8080, 'http'],
    [{ httpGet: { port: '8080', scheme: 'HTTP' } }, 8080, 'http'],
    [{ httpGet: { port: 8443, scheme: 'HTTPS' } }, 8443, 'https'],
    [{ tcpSocket: { port: 7000, host: '' } }, 7000, 'tcp'],
    [{ grpc: { port: 50_051 } }, 50_051, 'grpc'],
  ] as const) {
    t.strictSame(asked(probe), [{ port, kind, probe: 'readinessProbe' }], JSON.stringify(probe))
  }
})

t.test('a probe of another host, of a command or of an unknown name tells nothing', async t => {
  for (const probe of [
    undefined,
    null,
    {},
    { exec: { command: ['true'] } },
    { httpGet: { port: 80, host: 'example.com' } },
    { tcpSocket: { port: 'unknown' } },
    { tcpSocket: {} },
    { httpGet: { port: '' } },
  ]) {
    t.strictSame(asked(probe), [], JSON.stringify(probe))
  }
})

t.test('all probes of a container are read, the readiness probe first', async t => {
  const probe = (port: number) => ({ tcpSocket: { port } })
  const container = { name: 'app', livenessProbe: probe(3), startupProbe: probe(2), readinessProbe: probe(1) }
  t.strictSame(
    probePorts(container as Container).map(({ port, probe }) => `${port} ${probe}`),
    ['1 readinessProbe', '2 startupProbe', '3 livenessProbe'],
  )
})

t.test('the variable PORT tells a port where it is one', async t => {
  const own = (env: unknown) => ownPorts({ name: 'app', env } as Container)
  t.strictSame(
    own([
      { name: 'HOST', value: 'x' },
      { name: 'PORT', value: '8080' },
    ]),
    [8080],
  )
  t.strictSame(own([{ name: 'PORT', value: '65535' }]), [65_535])
  for (const value of ['0', '08', '65536', 'http', '', '80a', 8080, undefined])
    t.strictSame(own([{ name: 'PORT', value }]), [], String(value))
  for (const env of [undefined, null, 'PORT', [null], [{ name: 'port', value: '80' }]]) t.strictSame(own(env), [])
})
