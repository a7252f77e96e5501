import t from 'tap'
import { ExpiringMap } from '../../sidecar/expiring-map.ts'

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
