import t from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { Registry } from '../../../sidecar/connections/registry.ts'

const bridge = (state = 'open') => ({ state }) as unknown as Bridge

t.test('of two connections with the same key the older one is meant, if it is open', async t => {
  const registry = new Registry()
  const [old, young, other] = [bridge(), bridge(), bridge()]
  registry.add('bob', old, 'k')
  registry.add('bob', young, 'k', true)
  registry.add('bob', other, 'l')
  registry.add('bob', bridge('closing'), 'm')
  const found = () => registry.connections('bob').map(presence => presence.bridge)
  t.strictSame(found(), [old, other])
  registry.remove('bob', old)
  t.strictSame(new Set(found()), new Set([young, other]))
  const keyless = [bridge(), bridge()]
  for (const unknown of keyless) registry.add('ann', unknown)
  t.strictSame(
    registry.connections('ann').map(presence => presence.bridge),
    keyless,
  )
})

t.test('in a room of very many connections each is looked at once', async t => {
  const registry = new Registry()
  const count = 30_000
  let looks = 0
  const counted = () =>
    ({
      get state() {
        looks++
        return 'open'
      },
    }) as unknown as Bridge
  for (let n = 0; n < count; n++) registry.add('room', counted(), `key-${n}`)
  t.equal(registry.connections('room').length, count)
  t.equal(looks, count)
})

t.test('who waits for a connection that arrives learns that it is taken anew', async t => {
  const registry = new Registry()
  const client = bridge()
  registry.add('bob', client, 'k', true)
  const [arriving] = registry.connections('bob')
  registry.add('bob', client, 'k')
  await arriving?.settled
  t.match(registry.connections('bob'), [{ pending: false, settled: undefined }])
  registry.remove('bob', client)
  t.notOk(registry.has('bob'))
})
