import t from 'tap'
import { Traffic } from '../../../local/scenario/traffic.ts'

const podOf = (member: string) => ({ 'a:1': 'pod-a', 'b:1': 'pod-b' })[member]
const sidecar = (instance: string, log: object) => ({ component: 'sidecar', instance, ...log })

t.test('who is where comes from the sidecars', async t => {
  const traffic = new Traffic()
  const event = traffic.read(sidecar('pod-a', { msg: 'connected', user: 'Alice' }), podOf)
  t.strictSame(event, { kind: 'connected', user: 'Alice', pod: 'pod-a' })
  traffic.read(sidecar('pod-a', { msg: 'connected', user: 'Alice' }), podOf)
  traffic.read(sidecar('pod-a', { msg: 'connected', user: 'Bob' }), podOf)
  t.strictSame(traffic.usersOn('pod-a'), ['Alice', 'Bob'])
  traffic.read(sidecar('pod-a', { msg: 'disconnected', user: 'Alice', cause: 'client', code: 1000 }), podOf)
  t.strictSame(traffic.usersOn('pod-a'), ['Alice', 'Bob'], 'one connection of two is left')
  traffic.read(sidecar('pod-a', { msg: 'disconnected', user: 'Alice', cause: 'client', code: 1000 }), podOf)
  t.strictSame(traffic.usersOn('pod-a'), ['Bob'])
  traffic.forget('pod-a')
  t.strictSame(traffic.usersOn('pod-a'), [])
})

t.test('how a connection ended comes from the balancer', async t => {
  const traffic = new Traffic()
  const log = { component: 'balancer', instance: 'lb', msg: 'disconnected', user: 'Bob', cause: 'upstream', code: 1006 }
  t.strictSame(traffic.read(log, podOf), { kind: 'disconnected', user: 'Bob', code: 1006, cause: 'upstream' })
  traffic.read({ ...log, cause: 'client', code: 1000 }, podOf)
  t.equal(traffic.counters.cut, 1, 'a client that leaves was not cut')
})

t.test('messages by what became of them', async t => {
  const traffic = new Traffic()
  const routed = (log: object) =>
    traffic.read(sidecar('pod-a', { msg: 'routed', from: 'A', recipient: 'B', ...log }), podOf)
  t.strictSame(routed({ member: 'b:1', outcome: 'delivered' }), {
    kind: 'routed',
    from: 'A',
    to: 'B',
    fromPod: 'pod-a',
    toPod: 'pod-b',
    outcome: 'delivered',
  })
  routed({ member: 'a:1', outcome: 'delivered' })
  routed({ member: 'b:1', outcome: 'offline' })
  t.match(routed({ outcome: 'no_owner' }), { toPod: undefined })
  t.strictSame(traffic.counters, { messages: 4, crossed: 1, delivered: 2, undelivered: 2, cut: 0 })
})

t.test('whether a program knows the members', async t => {
  const traffic = new Traffic()
  const learn = (added: string[], removed: string[]) =>
    traffic.read(sidecar('pod-a', { msg: 'members changed', added, removed, changed: [] }), podOf)
  t.notOk(traffic.knows('pod-a', []))
  learn(['a:1', 'b:1'], [])
  t.ok(traffic.knows('pod-a', ['b:1', 'a:1']))
  learn(['c:1'], ['a:1'])
  t.notOk(traffic.knows('pod-a', ['b:1', 'a:1']))
  t.ok(traffic.knows('pod-a', ['b:1', 'c:1']))
})

t.test('other lines are nothing', async t => {
  const traffic = new Traffic()
  t.equal(traffic.read(sidecar('pod-a', { msg: 'listening' }), podOf), undefined)
  t.equal(traffic.read(sidecar('pod-a', { msg: 'connected' }), podOf), undefined, 'a connection without a user')
  t.equal(traffic.read({}, podOf), undefined)
})
