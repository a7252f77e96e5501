import t from 'tap'
import {
  cpu,
  imageReference,
  integer,
  isServiceName,
  matching,
  memory,
  memoryBytes,
  oneOf,
  port,
} from '../../../hooks/annotations/values.ts'

t.test('cpu is written as the API server writes it', async t => {
  for (const [text, canonical] of Object.entries({
    '10m': '10m',
    '0.1': '100m',
    '0.25': '250m',
    '1000m': '1',
    '1500m': '1500m',
    '2': '2',
    '1.5': '1500m',
  })) {
    t.equal(cpu(text), canonical, text)
  }
  for (const bad of ['', '0', '0m', '-1', '1.2345', 'm', '1 m', '1e3', '.5', '10M']) t.throws(() => cpu(bad), bad)
})

t.test('memory is written as the API server writes it', async t => {
  for (const [text, canonical] of Object.entries({
    '64Mi': '64Mi',
    '1024Mi': '1Gi',
    '1048576Ki': '1Gi',
    '1536Mi': '1536Mi',
    '2048Gi': '2048Gi',
  })) {
    t.equal(memory(text), canonical, text)
  }
  for (const bad of ['', '0Mi', '64', '64M', '1.5Gi', '64mi', '64 Mi']) t.throws(() => memory(bad), bad)
  t.equal(memoryBytes('64Mi'), 67_108_864)
  t.ok(memoryBytes('1Gi') > memoryBytes('1023Mi'))
})

t.test('a port is a number or a name', async t => {
  t.equal(port('1'), 1)
  t.equal(port('65535'), 65_535)
  t.equal(port('ws-proxy'), 'ws-proxy')
  t.equal(port('3d'), '3d')
  for (const bad of ['', '0', '65536', 'http:80', 'WS', '-ws', 'ws-', 'a--b', 'x'.repeat(16)])
    t.throws(() => port(bad), bad)
})

t.test('an image reference is one that a kubelet can read', async t => {
  const digest = `sha256:${'0a'.repeat(32)}`
  for (const good of [
    'ws-operator',
    'ws-operator:0.1.0',
    'team/ws_operator:v1',
    'localhost/x',
    'localhost:5000/x:y',
    'Registry.Example.com:443/a/b-c/d__e.f:1.2-rc_1',
    '[::1]:5000/x',
    `x@${digest}`,
    `registry.example/x:1@${digest}`,
  ]) {
    t.equal(imageReference(good), good)
  }
  for (const bad of [
    '',
    'two words',
    'Upper',
    'registry.example/Upper',
    'x:',
    ':1',
    'x:1:2',
    'x@sha256:0123',
    `x@${digest}@${digest}`,
    `x@md5:${'0'.repeat(32)}`,
    'x/',
    '/x',
    'a//b',
    'a..b/c',
    '-a/b',
    'reg_istry.example/x',
    'registry.example:port/x',
    'https://registry.example/x',
    '$(HOME)',
    'x\n',
    `${'a/'.repeat(128)}x`,
    `x:${'1'.repeat(129)}`,
    'a-'.repeat(20_000),
  ]) {
    t.throws(() => imageReference(bad), { message: /^an image reference such as/ }, bad.slice(0, 40))
  }
})

t.test('the rest', async t => {
  t.equal(integer(1, 3)('3'), 3)
  for (const bad of ['0', '4', '1.0', '+1', '', '1e0']) t.throws(() => integer(1, 3)(bad), bad)
  t.equal(oneOf(['a', 'b'])('b'), 'b')
  t.throws(() => oneOf(['a', 'b'])('c'), { message: 'one of a, b' })
  t.throws(() => matching(/^x*$/, 2, 'few')('xxx'), { message: 'few' })
  t.ok(isServiceName('a'.repeat(63)))
  for (const bad of ['a'.repeat(64), '', '1a', 'a.b', 'a-', 'A']) t.notOk(isServiceName(bad), bad)
})
