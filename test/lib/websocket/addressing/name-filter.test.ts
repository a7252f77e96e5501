import fc from 'fast-check'
import t from 'tap'
import { NameFilter } from '../../../../lib/websocket/addressing/name-filter.ts'

const PADDING = 'x'.repeat(256)
const padded = (name: string) => `{"padding":"${PADDING}",${name}:1}`
const mayBeIn = (name: string, text: string) => new NameFilter(name).mayBeIn(Buffer.from(text))

t.test('a text without the name and without an escape is ruled out', async t => {
  t.equal(mayBeIn('to', padded('"two"')), false)
  t.equal(mayBeIn('to', padded('"a\\n\\"b"')), false, 'no short escape means a letter')
  t.equal(mayBeIn('to', padded('"to"')), true)
  t.equal(mayBeIn('to', padded('"\\u0074o"')), true)
  t.equal(mayBeIn('a"b', padded('"a\\"b"')), true, 'a name that JSON has to escape')
  t.equal(mayBeIn('a/b', padded('"a\\/b"')), true, 'a name that JSON can escape in short')
  t.equal(mayBeIn('to', '{}'), true, 'a short text is left to the scan')
})

/** Writes a name as JSON, with escapes where the choices say so. */
function quoted(name: string, choices: readonly boolean[]): string {
  const units = name.split('').map((unit, i) => {
    const plain = JSON.stringify(unit).slice(1, -1)
    return choices[i] ? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}` : unit === '/' ? '\\/' : plain
  })
  return `"${units.join('')}"`
}

t.test('no text that means the name is ruled out', async () => {
  const unit = fc.constantFrom('a', 'b', '"', '\\', '/', '\n', '\u0001', 'é', '\u2028', ' ')
  fc.assert(
    fc.property(
      fc.string({ unit, minLength: 1, maxLength: 6 }),
      fc.array(fc.boolean(), { maxLength: 6 }),
      (name, choices) => {
        const text = padded(quoted(name, choices))
        if (Object.hasOwn(JSON.parse(text) as object, name) && !mayBeIn(name, text)) throw new Error(text)
      },
    ),
    { seed: 41, numRuns: 2000 },
  )
})
