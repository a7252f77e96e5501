import t from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { Registry } from '../../../sidecar/connections/registry.ts'
import { LocationCache } from '../../../sidecar/send/location-cache.ts'

const bridge = (state = 'open') => ({ state }) as unknown as Bridge

function start() {
  const clock = { now: 0 }
  const now = () => clock.now
  const metrics = new Metrics()
  const registry = new Registry(now)
  const locationCache = new LocationCache({ self: 'self:1', metrics, now })
  const metric = async (name: string) =>
    (await metrics.registry.getSingleMetric(`ws_operator_${name}`)?.get())?.values[0]?.value
  return { clock, registry, locationCache, metric }
}

t.test('where a user is, for a minute', async t => {
  const { clock, locationCache, metric } = start()
  locationCache.set('bob', 'b:1')
  t.equal(await metric('user_locations'), 1)
  clock.now = 59_999
  t.equal(locationCache.get('bob'), 'b:1')
  clock.now = 60_000
  t.equal(locationCache.get('bob'), undefined)
  t.equal(await metric('user_locations'), 0)
  locationCache.set('bob', 'b:1')
  locationCache.delete('bob')
  t.equal(locationCache.get('bob'), undefined)
})

t.test('nobody is said to be with ourselves, and what is not true is forgotten', async t => {
  const { locationCache } = start()
  locationCache.set('bob', 'self:1')
  t.equal(locationCache.get('bob'), undefined)
  locationCache.set('bob', 'b:1')
  locationCache.invalidate('bob', 'c:1')
  t.equal(locationCache.get('bob'), 'b:1')
  locationCache.invalidate('bob', 'b:1')
  t.equal(locationCache.get('bob'), undefined)
})

t.test('a member that may not be asked is not named, and not forgotten', async t => {
  const usable = new Set<string>()
  const locationCache = new LocationCache({
    self: 'self:1',
    isUsable: name => usable.has(name),
    metrics: new Metrics(),
  })
  locationCache.set('bob', 'b:1')
  t.equal(locationCache.get('bob'), undefined)
  usable.add('b:1')
  t.equal(locationCache.get('bob'), 'b:1')
})

t.test('several members have the user of several devices: four at most, each for a minute', async t => {
  const { clock, locationCache } = start()
  locationCache.set('bob', 'a:1')
  clock.now = 1000
  for (const member of ['b:1', 'c:1', 'b:1', 'd:1']) locationCache.set('bob', member)
  t.strictSame(locationCache.members('bob'), ['d:1', 'b:1', 'c:1', 'a:1'])
  t.equal(locationCache.get('bob'), 'd:1', 'who was heard of last')
  clock.now = 60_000
  t.strictSame(locationCache.members('bob'), ['d:1', 'b:1', 'c:1'], 'what is said of one does not keep the others')
  for (const member of ['e:1', 'f:1']) locationCache.set('bob', member)
  t.strictSame(locationCache.members('bob'), ['f:1', 'e:1', 'd:1', 'b:1'])
  locationCache.invalidate('bob', 'e:1')
  t.strictSame(locationCache.members('bob'), ['f:1', 'd:1', 'b:1'])
  clock.now = 61_000
  t.strictSame(locationCache.members('bob'), ['f:1'])
})

t.test('a member that had nobody for a copy is left alone for a second, unless it says something else', async t => {
  const { clock, locationCache } = start()
  clock.now = 1000
  locationCache.set('bob', 'b:1')
  locationCache.absent('bob', 'b:1', 500)
  t.equal(locationCache.get('bob'), 'b:1', 'what it has announced since is true')
  t.notOk(locationCache.hasRecentMiss('bob', 'b:1'))
  locationCache.absent('bob', 'b:1', 1001)
  t.equal(locationCache.get('bob'), undefined)
  t.ok(locationCache.hasRecentMiss('bob', 'b:1'))
  t.notOk(locationCache.hasRecentMiss('bob', 'c:1'))
  clock.now = 1999
  t.ok(locationCache.hasRecentMiss('bob', 'b:1'))
  clock.now = 2000
  t.notOk(locationCache.hasRecentMiss('bob', 'b:1'))
  locationCache.absent('bob', 'b:1', 2000)
  locationCache.set('bob', 'b:1')
  t.notOk(locationCache.hasRecentMiss('bob', 'b:1'))
})

t.test('not more than 100,000 users: the oldest go, and are counted', async t => {
  const { locationCache, metric } = start()
  for (let n = 0; n < 100_010; n++) locationCache.set(`user-${n}`, 'b:1')
  t.equal(locationCache.get('user-9'), undefined)
  t.equal(locationCache.get('user-10'), 'b:1')
  t.equal(await metric('user_locations_evicted_total'), 10)
  t.equal(await metric('user_locations'), 100_000)
})

t.test('who has left a moment ago: the last connection, for five seconds', async t => {
  const { clock, registry } = start()
  const [one, two] = [bridge(), bridge()]
  registry.add('bob', one)
  registry.add('bob', two)
  registry.remove('bob', one)
  t.ok(registry.isConnected('bob'))
  registry.remove('bob', two)
  t.notOk(registry.isConnected('bob'))
  t.ok(registry.leftRecently('bob'))
  t.notOk(registry.leftRecently('ann'))
  clock.now = 4999
  registry.remove('bob', two)
  t.ok(registry.leftRecently('bob'))
  clock.now = 5000
  t.notOk(registry.leftRecently('bob'), 'what is removed again is no departure')
  registry.add('bob', one)
  registry.remove('bob', one)
  registry.add('bob', two)
  t.notOk(registry.leftRecently('bob') && !registry.has('bob'))
})

t.test('whoever has only connections that end is about to leave', async t => {
  const { registry } = start()
  registry.add('bob', bridge('closing'))
  t.notOk(registry.isConnected('bob'))
  t.strictSame(registry.connections('bob'), [])
  t.ok(registry.leftRecently('bob'))
  t.ok(registry.has('bob'))
  t.strictSame([...registry.names()], ['bob'])
})

t.test('who is no member is not believed, but remembered: as soon as they are one, they are asked', async t => {
  const clock = { now: 0 }
  const usable = new Set<string>(['a:1'])
  const metrics = new Metrics()
  const options = { self: 'self:1', isUsable: (name: string) => usable.has(name), metrics, now: () => clock.now }
  const locationCache = new LocationCache(options)
  locationCache.announced('a:1', ['bob'])
  locationCache.announced('b:1', ['bob', 'ann'])
  t.strictSame(locationCache.members('bob'), ['a:1'])
  t.equal(locationCache.isClaimed('ann'), true)
  t.equal(locationCache.isClaimed('cid'), false)
  usable.add('b:1')
  t.strictSame(locationCache.members('bob'), ['a:1', 'b:1'])
  t.equal(locationCache.isClaimed('ann'), false, 'they can be asked')
  locationCache.invalidate('bob', 'b:1')
  locationCache.absent('ann', 'b:1', 0)
  t.strictSame([...locationCache.members('bob'), ...locationCache.members('ann')], ['a:1'])
  locationCache.announced('c:1', ['dan'])
  clock.now = 60_000
  usable.add('c:1')
  t.strictSame(locationCache.members('dan'), [])
})

t.test('made up claims are few, and drive out nothing that is believed', async t => {
  const locationCache = new LocationCache({ self: 'self:1', isUsable: name => name === 'a:1', metrics: new Metrics() })
  locationCache.announced('a:1', ['bob'])
  for (let n = 0; n < 10; n++)
    locationCache.announced(
      `x${n}:1`,
      Array.from({ length: 20_000 }, (_, i) => `${n}-${i}`),
    )
  t.equal(locationCache.get('bob'), 'a:1')
  t.equal(locationCache.isClaimed('9-19999'), true)
  t.equal(locationCache.isClaimed('9-9999'), false, 'the oldest have gone')
})
