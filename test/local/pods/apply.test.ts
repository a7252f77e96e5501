import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { mergeApplied } from '../../../local/pods/apply.ts'

t.test('a container is merged by its name; the others stay as they are, in their order', async t => {
  const live = {
    spec: { containers: [{ name: 'app', image: 'a:1', env: [{ name: 'X', value: '1' }] }, { name: 'b' }] },
  }
  mergeApplied(live, {
    spec: {
      containers: [
        { name: 'b', image: 'b:2' },
        { name: 'proxy', image: 'p:1' },
      ],
    },
  })
  t.strictSame(live.spec.containers, [
    { name: 'app', image: 'a:1', env: [{ name: 'X', value: '1' }] },
    { name: 'b', image: 'b:2' },
    { name: 'proxy', image: 'p:1' },
  ])
})

t.test('a list that was not there is made', async t => {
  const live = { spec: {} }
  mergeApplied(live, { spec: { initContainers: [{ name: 'proxy' }] } })
  t.strictSame(live, { spec: { initContainers: [{ name: 'proxy' }] } })
})

t.test('ports merge by their keys: of a container by containerPort, of a Service by port', async t => {
  const live = {
    ports: [{ containerPort: 1, protocol: 'TCP' }],
    spec: { ports: [{ port: 1, protocol: 'TCP', targetPort: 'a' }] },
  }
  mergeApplied(live, {
    ports: [{ containerPort: 1, protocol: 'UDP' }],
    spec: { ports: [{ port: 1, protocol: 'TCP', targetPort: 'b' }] },
  })
  t.strictSame(live, {
    ports: [
      { containerPort: 1, protocol: 'TCP' },
      { containerPort: 1, protocol: 'UDP' },
    ],
    spec: { ports: [{ port: 1, protocol: 'TCP', targetPort: 'b' }] },
  })
})

t.test('any other list, and any other value, is replaced', async t => {
  const live = { args: ['a', 'b'], replicas: 1, labels: { a: '1', b: '2' } }
  mergeApplied(live, { args: ['c'], replicas: 2, labels: { b: '3' } })
  t.strictSame(live, { args: ['c'], replicas: 2, labels: { a: '1', b: '3' } })
})

t.test('to apply the same again changes nothing, and what was applied is not shared', async () => {
  const container = fc.record({ name: fc.constantFrom('a', 'b', 'c'), image: fc.string() }, { noNullPrototype: true })
  const list = fc.uniqueArray(container, { selector: ({ name }) => name, minLength: 1 })
  const object = fc.record(
    { containers: list, labels: fc.dictionary(fc.constantFrom('x', 'y'), fc.string(), { noNullPrototype: true }) },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(object, object, (start, applied) => {
      const once = structuredClone(start)
      mergeApplied(once, applied)
      const twice = structuredClone(once)
      mergeApplied(twice, applied)
      assert.deepEqual(twice, once)
      const before = structuredClone(applied)
      for (const item of once.containers) item.image = 'changed'
      assert.deepEqual(applied, before)
    }),
    { numRuns: 50 },
  )
})
