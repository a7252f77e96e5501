import { strictEqual as equal, deepStrictEqual as same } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { LinkedMap } from '../../../lib/service/linked-map.ts'

const SEED = Number(process.env['SEED'] ?? 20_261_130)

const command = fc.oneof(
  fc.record({ op: fc.constant('set' as const), key: fc.nat(12), value: fc.nat() }),
  fc.record({ op: fc.constant('delete' as const), key: fc.nat(12) }),
  fc.record({ op: fc.constant('clear' as const) }),
)

t.test('it is a Map in which whatever is set goes to the end', async t => {
  const property = fc.property(fc.array(command, { maxLength: 60 }), commands => {
    const map = new LinkedMap<number, number>()
    const model = new Map<number, number>()
    for (const step of commands) {
      if (step.op === 'clear') {
        map.clear()
        model.clear()
      } else if (step.op === 'delete') equal(map.delete(step.key), model.delete(step.key))
      else {
        map.set(step.key, step.value)
        model.delete(step.key)
        model.set(step.key, step.value)
      }
      same([...map], [...model])
      same(map.first(), [...model][0])
      equal(map.size, model.size)
      for (const key of [0, 6, 12]) same([map.has(key), map.get(key)], [model.has(key), model.get(key)])
    }
  })
  t.doesNotThrow(() => fc.assert(property, { seed: SEED, numRuns: 500 }))
})

t.test('entries may be deleted and set again while it is walked through', async t => {
  const map = new LinkedMap<string, number>()
  for (const key of ['a', 'b', 'c', 'd']) map.set(key, 1)
  const seen: string[] = []
  for (const [key, value] of map) {
    seen.push(`${key}${value}`)
    map.delete(key)
    if (key === 'a') map.delete('b')
    if (key === 'c' && value === 1) map.set('c', 2)
  }
  t.strictSame(seen, ['a1', 'c1', 'd1', 'c2'])
  for (const key of ['e', 'f']) map.set(key, 1)
  for (const [key] of map) {
    seen.push(key)
    map.clear()
  }
  t.strictSame(seen.slice(4), ['e'])
})
