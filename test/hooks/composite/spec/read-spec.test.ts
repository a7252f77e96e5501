import t from 'tap'
import { backendService, readSpec } from '../../../../hooks/composite/spec/read-spec.ts'

const TARGET = { target: 'chat' }
const message = (given: unknown, name = 'chat') => {
  const read = readSpec(name, given)
  return read.ok ? undefined : read.message
}

t.test('a good spec is given back as it is', async t => {
  const spec = { target: 'chat', replicas: 3, routing: { key: 'cookie:session' } }
  const read = readSpec('chat', spec)
  t.ok(read.ok)
  t.equal(read.ok && read.spec, spec)
})

t.test('what is no spec is refused, and says so', async t => {
  for (const given of [undefined, null, 3, 'chat', []]) t.match(message(given), /^spec must /, JSON.stringify(given))
})

t.test('each problem is named with the path of its field, at most eight of them', async t => {
  t.match(
    message({ ...TARGET, replicas: -1, service: { port: 0 } }),
    /^spec\.replicas must .*; spec\.service\.port must .*\.$/,
  )
  const many = { ...TARGET, tolerations: Array(20).fill({ effect: 'x' }) }
  t.equal(message(many)?.split('; ').length, 8)
})

t.test('a balancer whose Service could not have its name is refused', async t => {
  t.equal(message(TARGET, 'x'.repeat(54)), undefined)
  t.equal(message(TARGET, 'x'.repeat(55)), `metadata.name: ${'x'.repeat(55)}-balancer is no valid name of a Service.`)
  for (const name of ['1chat', 'a.b']) t.match(message(TARGET, name), /^metadata\.name: /, name)
})

t.test('what only the hooks can check is refused with its path', async t => {
  for (const [spec, says] of [
    [{ keepAlive: { clientIdleSeconds: 1 } }, /^spec\.keepAlive\.clientPingSeconds .*\.$/],
    [{ routing: { key: 'somewhere:user' } }, /^spec\.routing\.key: .*\.$/],
    [{ routing: { key: 'path:(' } }, /^spec\.routing\.key: .*\.$/],
    [{ resources: { requests: { cpu: '0.0' } } }, /^spec\.resources: a quantity must be an amount of cpu .*\.$/],
    [{ target: '1chat' }, '1chat-ws-proxy-headless is no valid name of a Service: set spec.backend.'],
    [{ target: 'x'.repeat(60) }, /is no valid name of a Service: set spec\.backend\.$/],
  ] as const) {
    t.match(message({ ...TARGET, ...spec }), says, JSON.stringify(spec))
  }
  t.equal(message({ target: '1chat', backend: { service: 'members' } }), undefined, 'a name of its own')
})

t.test('the Service behind a balancer is the one that it names, else that of its target', async t => {
  t.equal(backendService(TARGET), 'chat-ws-proxy-headless')
  t.equal(backendService({ ...TARGET, backend: { service: 'members' } }), 'members')
})
