import fc from 'fast-check'
import t from 'tap'
import { parsePathExpression } from '../../../../lib/routing/key/path-expression.ts'
import { HOSTILE_EXPRESSIONS } from '../hostile-expressions.ts'

/** What they are slow on: almost a match. */
const PATHS = ['a', 'ab', 'x', 'aA'].flatMap(text => [text.repeat(4000), `${text.repeat(4000)}!`])

t.test('expressions that make a backtracking engine stand still are answered', async t => {
  for (const source of HOSTILE_EXPRESSIONS) {
    const read = parsePathExpression(source)
    for (const path of PATHS) read(path)
    t.pass(source)
  }
})

t.test('the answer of a hostile expression is right too', async t => {
  t.equal(parsePathExpression('^((?:a|aa)+)$')('aaaa'), 'aaaa')
  t.equal(parsePathExpression('((?:a?|b?){64}\\b)')('/abab'), 'abab')
  t.equal(parsePathExpression('(x+x+y)')(`${'x'.repeat(5000)}y`), `${'x'.repeat(5000)}y`)
})

t.test('an expression is refused before its repetitions are spelt out', async t => {
  const heavy = [
    `(${'.{0,1000}'.repeat(40)})`,
    '((?:(?:a{10}){10}){10}(?:b{99}){51})',
    `(${'(?:[ab]?){1000}'.repeat(6)})`,
    '([[:alpha:])(]{1000}[^](]{1000}[\\]](?:\\(\\)\\p{L}{50}){100})',
    '((?:(?:.{31}.{31}.{31}.{31}.{31}.{31}){5}){6})',
  ]
  for (const source of heavy)
    t.throws(() => parsePathExpression(source), { message: /too large: .* 5000 steps/ }, source)
})

t.test('ordinary ones are none the worse for repetitions', async t => {
  const uuid = '^/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$'
  t.equal(parsePathExpression(uuid)('/018f2a6e-7c3b-7d10-9f00-1234567890ab'), '018f2a6e-7c3b-7d10-9f00-1234567890ab')
  t.equal(parsePathExpression('^/[^/]{1,64}/([^/?#]{1,128})')('/a/b'), 'b')
  t.equal(parsePathExpression('(?i)^/(?:ROOM|chat)/(\\w+)')('/room/x'), 'x')
  t.equal(parsePathExpression('^/(?P<room>\\w{2,})')('/ab/c'), 'ab')
})

t.test('what is refused says why', async t => {
  for (const [source, reason] of [
    ['(?=a)(b)', 'invalid or unsupported Perl syntax'],
    ['(?<!a)(b)', 'invalid named capture: `\\(\\?<!a'],
    ['(a)\\1', 'invalid escape sequence'],
    ['(a', 'missing closing \\)'],
    ['[(a)', 'missing closing \\]'],
    ['(a{1001})', 'invalid repeat count'],
    ['(\\Q[\\E)', 'quotes text with \\\\Q'],
    [`(${'a'.repeat(511)})`, '513 characters, more than 512'],
    ['a', 'exactly one capture group, it has 0'],
    ['(a)(b)', 'exactly one capture group, it has 2'],
  ] as const) {
    t.throws(() => parsePathExpression(source), { message: new RegExp(reason) }, source)
  }
})

// Where JavaScript and RE2 mean the same. A repeated group may hold nothing that matches the empty text, and captures stand outside
// repetitions: there the two differ.
const atom = fc.constantFrom('a', 'b', '/', '.', '\\d', '\\w', '[ab]', '[^/]', '[a-c0-9]', '\\.', '[/-]', '\\/')
const repeated = fc
  .tuple(atom, fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '*?', '+?', '??'))
  .map(parts => parts.join(''))
const group = fc
  .tuple(
    fc.array(fc.array(atom, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('', '*', '+', '?', '{2}'),
  )
  .map(([alternatives, count]) => `(?:${alternatives.map(parts => parts.join('')).join('|')})${count}`)
const sequence = fc.array(fc.oneof(repeated, group), { minLength: 0, maxLength: 4 }).map(parts => parts.join(''))
const anchored = fc.tuple(
  fc.constantFrom('', '^', '\\b'),
  sequence,
  sequence,
  sequence,
  fc.constantFrom('', '$', '\\b'),
)
const path = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1', '/', '.', '-', 'é', '%'), maxLength: 24 })

t.test('it finds what RegExp finds', async t => {
  const property = fc.property(anchored, path, ([start, before, inside, after, end], path) => {
    const source = `${start}${before}(${inside})${after}${end}`
    const [found, expected] = [parsePathExpression(source)(path), new RegExp(source).exec(path)?.[1]]
    if (found !== expected) throw new Error(`${source} on ${path}: ${found}, RegExp says ${expected}`)
  })
  fc.assert(property, { seed: Number(process.env.SEED ?? 11), numRuns: 5000 })
  t.pass('5000 expressions')
})
