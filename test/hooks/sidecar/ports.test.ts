import t from 'tap'
import type { PodSpec } from '../../../hooks/requests/schemas.ts'
import { choosePorts } from '../../../hooks/sidecar/ports.ts'

type Port = { name?: string; containerPort: number; protocol?: string }
const pod = (...ports: Port[]): PodSpec => ({ containers: [{ name: 'app', ports }] })
const at = (containerPort: number, name?: string): Port => ({ containerPort, ...(name && { name }) })

t.test('the port of the app', async t => {
  t.match(choosePorts(pod(), {}), { ports: { app: 3001 } }, 'none declared')
  t.match(choosePorts(pod(at(8080), at(8081)), {}), { ok: false, reason: 'ambiguous-port' })
  t.match(choosePorts(pod(at(8080), at(8081)), {}, 8081), { ports: { app: 8081 } }, 'the one that runs')
  t.match(choosePorts(pod(at(1), at(2, 'http'), at(4, 'ws')), {}), { ports: { app: 4 }, choice: /named ws/ }, 'ws')
  t.match(choosePorts(pod(at(1), at(2, 'http'), at(3, 'websocket')), {}), { ports: { app: 3 } }, 'websocket')
  t.match(choosePorts(pod({ containerPort: 53, protocol: 'UDP' }, at(80)), {}), { ports: { app: 80 } }, 'not UDP')
  t.match(choosePorts(pod(at(80, 'web')), { 'app-port': 'web' }), { ports: { app: 80 } }, 'by name')
  t.match(choosePorts(pod(at(80, 'web')), { 'app-port': 'www' }), { ok: false, reason: 'app-port' })
})

t.test('whether the port of the app is guessed', async t => {
  t.match(choosePorts(pod(), {}), { guessed: true })
  t.match(choosePorts(pod({ containerPort: 53, protocol: 'UDP' }), {}), { guessed: true })
  t.match(choosePorts(pod(), { 'app-port': 8080 }), { guessed: false })
  t.match(choosePorts(pod(at(8080)), {}), { guessed: false })
})

t.test('no port is given twice', async t => {
  t.match(choosePorts(pod(at(80)), {}), { ports: { sidecar: 3000, admin: 9090 } })
  t.match(choosePorts(pod(at(3000)), {}), { ports: { app: 3000, sidecar: 13_000 } })
  t.match(choosePorts(pod(), { 'app-port': 3000 }), { ports: { app: 3000, sidecar: 13_000 } }, 'though not declared')
  t.match(choosePorts(pod(at(80)), { 'sidecar-port': 9090 }), { ports: { sidecar: 9090, admin: 19_090 } })
  t.match(choosePorts(pod(at(80, 'http'), at(3000), at(13_000)), {}), { ok: false, reason: 'port-taken' })
  t.match(choosePorts(pod(at(80, 'http'), at(9090), at(19_090)), {}), { ok: false, reason: 'port-taken' })
  t.match(choosePorts(pod(at(8444)), { 'sidecar-port': 8444 }), { ok: false, reason: 'port-taken' })
})

t.test('a port that a probe asks is taken, declared or not', async t => {
  const asked = (port: number, of: object = {}) =>
    ({ containers: [Object.assign({ name: 'app', readinessProbe: { httpGet: { port } } }, of)] }) satisfies PodSpec
  t.match(choosePorts(asked(3000), {}), { ports: { app: 3000, sidecar: 13_000 } })
  t.match(choosePorts(asked(9090, { ports: [at(80, 'http')] }), {}), {
    ports: { app: 80, sidecar: 3000, admin: 19_090 },
  })
  t.match(choosePorts(asked(3000), { 'app-port': 8080 }), { ports: { app: 8080, sidecar: 13_000 } })
})

t.test('the sidecar itself and init containers that end take no port away', async t => {
  const spec: PodSpec = {
    containers: [{ name: 'app', ports: [at(80)] }],
    initContainers: [
      { name: 'websocket-proxy', restartPolicy: 'Always', ports: [at(3000)] },
      { name: 'migrate', ports: [at(9090)] },
    ],
  }
  t.match(choosePorts(spec, {}), { ports: { app: 80, sidecar: 3000, admin: 9090 } })
})
