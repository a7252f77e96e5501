import { strictEqual as equal, deepStrictEqual as same } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { Allotment } from '../../lib/service/memory/allotment.ts'
import { MemoryBudget } from '../../lib/service/memory/budget.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import { ExpiringMap } from '../../sidecar/expiring-map.ts'
import { LocationCache } from '../../sidecar/send/location-cache.ts'

function start(maxEntries = 100) {
  const clock = { now: 0, evicted: 0 }
  const map = new ExpiringMap<string, number>({
    keepMs: 10,
    maxEntries,
    now: () => clock.now,
    onEvict: () => clock.evicted++,
  })
  return { clock, map }
}

t.test('an entry lives for its time, counted from when it was set last', async t => {
  const { clock, map } = start()
  map.set('a', 1)
  clock.now = 9
  t.equal(map.get('a'), 1)
  map.set('a', 2)
  clock.now = 18
  t.equal(map.get('a'), 2)
  clock.now = 19
  t.equal(map.get('a'), undefined)
  t.equal(map.size, 0)
  map.set('b', 1)
  map.delete('b')
  t.equal(map.get('b'), undefined)
})

t.test('with too many the oldest go, and are counted; those whose time was over are not', async t => {
  const { clock, map } = start(3)
  for (const key of ['a', 'b', 'c']) map.set(key, 1)
  map.set('a', 2)
  map.set('d', 1)
  t.strictSame([map.get('b'), map.get('c'), map.get('a'), map.get('d')], [undefined, 1, 2, 1])
  t.equal(clock.evicted, 1)
  clock.now = 100
  for (const key of ['e', 'f', 'g']) map.set(key, 1)
  t.equal(clock.evicted, 1)
  t.equal(map.size, 3)
})

t.test('what is in it, oldest first, without what has expired; and nothing once it is cleared', async t => {
  let now = 0
  const map = new ExpiringMap<string, number>({ keepMs: 100, maxEntries: 10, now: () => now })
  map.set('a', 1)
  now = 50
  map.set('b', 2)
  map.set('c', 3)
  map.set('b', 4)
  now = 100
  t.strictSame(
    [...map.entries()],
    [
      ['c', 3],
      ['b', 4],
    ],
  )
  map.clear()
  t.equal(map.size, 0)
})

const SEED = Number(process.env['SEED'] ?? 20_261_130)
const KEEP_MS = 10
const MOST = 5

const command = fc.oneof(
  { weight: 4, arbitrary: fc.record({ op: fc.constant('set' as const), key: fc.nat(8), value: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('delete' as const), key: fc.nat(8) }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.nat(12) }) },
)

/** What it is to do, written down as simply as possible. */
class Model {
  entries: { key: number; value: number; until: number }[] = []
  evicted = 0

  set(key: number, value: number, now: number): void {
    this.entries = this.entries.filter(entry => entry.key !== key && entry.until > now)
    if (this.entries.length >= MOST) {
      this.entries.shift()
      this.evicted++
    }
    this.entries.push({ key, value, until: now + KEEP_MS })
  }

  live(now: number): [number, number][] {
    return this.entries.filter(({ until }) => until > now).map(({ key, value }) => [key, value])
  }
}

t.test('it holds what a simple model of it holds, whatever is done', async t => {
  const property = fc.property(fc.array(command, { maxLength: 80 }), commands => {
    let now = 0
    let evicted = 0
    const map = new ExpiringMap<number, number>({
      keepMs: KEEP_MS,
      maxEntries: MOST,
      now: () => now,
      onEvict: () => evicted++,
    })
    const model = new Model()
    for (const step of commands) {
      if (step.op === 'wait') now += step.ms
      else if (step.op === 'delete') {
        map.delete(step.key)
        model.entries = model.entries.filter(({ key }) => key !== step.key)
      } else {
        map.set(step.key, step.value)
        model.set(step.key, step.value, now)
      }
      const live = model.live(now)
      for (let key = 0; key <= 8; key++) equal(map.get(key), live.find(entry => entry[0] === key)?.[1])
      // Not after each step, because it also removes what has expired.
      if (step.op !== 'delete') same([[...map.entries()], map.size, evicted], [live, live.length, model.evicted])
    }
  })
  t.doesNotThrow(() => fc.assert(property, { seed: SEED, numRuns: 500 }))
})

t.test('no operation walks over the places of deleted entries, as each new iterator of a Map does', async t => {
  const users = Array.from({ length: 2000 }, (_, n) => `user-${n}`)
  const locationCache = new LocationCache({ self: 'a:1', metrics: new Metrics() })
  locationCache.announced('b:1', users)
  const { map, clock } = start(1000)
  const iterators = t.capture(Map.prototype, 'keys', Map.prototype.keys)
  const others = t.capture(Map.prototype, 'entries', Map.prototype.entries)
  const loops = t.capture(Map.prototype, Symbol.iterator, Map.prototype[Symbol.iterator])
  locationCache.announced('b:1', users)
  for (const [n, user] of users.entries()) {
    clock.now = n / 1000
    map.set(user, n)
    map.get(user)
  }
  const begun = [iterators, others, loops].reduce((sum, calls) => sum + calls().length, 0)
  t.equal(begun, 0, 'iterators begun')
  t.equal(clock.evicted, 1000)
})

t.test(
  'memory: each entry is counted while it is there, the oldest go for what has no room, and nothing is left',
  async t => {
    const step = fc.oneof(
      fc.record({ does: fc.constant('set' as const), key: fc.string({ maxLength: 8 }) }),
      fc.record({ does: fc.constant('delete' as const), key: fc.string({ maxLength: 8 }) }),
      fc.record({ does: fc.constantFrom('wait', 'clear', 'size' as const), key: fc.constant('') }),
    )
    const property = fc.property(
      fc.array(step, { maxLength: 100 }),
      fc.integer({ min: 100, max: 1000 }),
      (steps, maxBytes) => {
        const { messages } = new MemoryBudget(1).accounts
        const of = new Allotment(maxBytes, messages)
        const bytesOf = (key: string) => 50 + key.length
        let now = 0
        const map = new ExpiringMap<string, number>({
          keepMs: 10,
          maxEntries: 20,
          now: () => now,
          memory: { of, bytesOf },
        })
        for (const { does, key } of steps) {
          if (does === 'set') map.set(key, now)
          else if (does === 'delete') map.delete(key)
          else if (does === 'wait') now += 6
          else if (does === 'clear') map.clear()
          else
            equal(
              map.size >= 0 && [...map.entries()].reduce((sum, [name]) => sum + bytesOf(name), 0),
              of.bytes,
              'what is there is counted',
            )
          equal(of.bytes <= maxBytes, true)
          equal(messages.bytes, of.bytes)
        }
        now += 10
        equal(map.size, 0)
        equal(of.bytes, 0)
      },
    )
    t.doesNotThrow(() => fc.assert(property, { seed: 71 }))
  },
)
