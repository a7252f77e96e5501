import t from 'tap'
import { count, list, record } from '../../../hooks/requests/untyped.ts'

t.test('a map is read as it is, and what is none as an empty one', async t => {
  const map = { a: 1 }
  t.equal(record(map), map)
  for (const value of [undefined, null, 3, 'text', true]) t.strictSame(record(value), {}, String(value))
})

t.test('a list is read as it is, and what is none as an empty one', async t => {
  const items = [1]
  t.equal(list(items), items)
  for (const value of [undefined, null, 3, 'text', { length: 1 }]) t.strictSame(list(value), [], String(value))
})

t.test('a whole number is read as it is, and what is none as 0', async t => {
  for (const value of [0, 7, -2]) t.equal(count(value), value)
  for (const value of [undefined, null, '7', 1.5, Number.NaN, Number.POSITIVE_INFINITY, {}, 7n])
    t.equal(count(value), 0, String(value))
})
