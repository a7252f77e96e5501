import t from 'tap'
import { cpu, integer, isServiceName, matching, memory, memoryBytes, oneOf, port } from '../../hooks/values.ts'

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

t.test('the rest', async t => {
  t.equal(integer(1, 3)('3'), 3)
  for (const bad of ['0', '4', '1.0', '+1', '', '1e0']) t.throws(() => integer(1, 3)(bad), bad)
  t.equal(oneOf(['a', 'b'])('b'), 'b')
  t.throws(() => oneOf(['a', 'b'])('c'), { message: 'one of a, b' })
  t.throws(() => matching(/^x*$/, 2, 'few')('xxx'), { message: 'few' })
  t.ok(isServiceName('a'.repeat(63)))
  for (const bad of ['a'.repeat(64), '', '1a', 'a.b', 'a-', 'A']) t.notOk(isServiceName(bad), bad)
})
