import fc from 'fast-check'
import t from 'tap'
import { jsonExcess, MAX_DEPTH, MAX_VALUES } from '../../../hooks/requests/depth-limit.ts'

const excess = (text: string) => jsonExcess(Buffer.from(text))

t.test('a body is taken up to the limits, and not beyond', async t => {
  for (const [open, close] of [
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"a":1},', ']'],
  ] as const) {
    const nested = (depth: number) => `${open.repeat(depth)}1${close.repeat(depth)}`
    t.equal(excess(nested(MAX_DEPTH - 1)), undefined, open)
    t.equal(excess(nested(MAX_DEPTH + 1)), 'it is nested deeper than 256', open)
  }
  t.equal(excess(`[${'1,'.repeat(MAX_VALUES - 3)}1]`), undefined)
  t.equal(excess(`[${'1,'.repeat(MAX_VALUES)}1]`), 'it has more than 250000 values')
  t.equal(excess(`[${'{},'.repeat(MAX_VALUES)}1]`), 'it has more than 250000 values')
})

t.test('what stands in a string does not count, however it is escaped', async t => {
  for (const text of [']}[{', '\\', '\\\\"[[[', '"'.repeat(3), '\u0000["', '[\\', 'é[🙂"']) {
    const many = Array(5000).fill(text.repeat(60))
    t.equal(excess(JSON.stringify(many)), undefined, JSON.stringify(text))
  }
  t.equal(excess(`"${'['.repeat(1000)}`), undefined, 'a string that never ends is left to the parser')
})

/** The same by walking what the parser built. */
function measure(value: unknown, depth = 0): { depth: number; values: number } {
  if (typeof value !== 'object' || value === null) return { depth, values: 1 }
  const inner = Object.values(value).map(child => measure(child, depth + 1))
  return {
    depth: Math.max(depth + 1, ...inner.map(one => one.depth)),
    values: 1 + inner.reduce((sum, one) => sum + one.values, 0),
  }
}

t.test('nothing that Kubernetes could send is refused, and nothing beyond passes', async t => {
  const property = fc.property(fc.jsonValue({ maxDepth: 40 }), fc.integer({ min: 0, max: 300 }), (value, wraps) => {
    let wrapped: unknown = value
    for (let i = 0; i < wraps; i++) wrapped = i % 2 ? [wrapped, '"]'] : { 'a"[': wrapped }
    const { depth } = measure(wrapped)
    const found = excess(JSON.stringify(wrapped))
    if ((found !== undefined) !== depth > MAX_DEPTH) throw new Error(`depth ${depth}: ${found}`)
  })
  fc.assert(property, { seed: 8, numRuns: 500 })
  t.pass('500 values')
})
