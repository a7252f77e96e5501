import t from 'tap'
import {
  MAX_VALUE_BYTES,
  readCutString,
  readNumber,
  readString,
} from '../../../../lib/websocket/addressing/json-values.ts'

/** A text that begins with a string's first character. */
const textOf = (value: string) => Buffer.from(`${JSON.stringify(value).slice(1)},"after":1}`)

t.test('a string is read up to its own quote, escapes decoded', async t => {
  for (const value of [
    '',
    'bob',
    'a "quote" and \\',
    'tab\t',
    '\u0000',
    'é漢😀',
    `${'x'.repeat(MAX_VALUE_BYTES - 1)}y`,
  ]) {
    t.equal(readString(textOf(value), 0), value)
    t.equal(readCutString(textOf(value), 0), value)
  }
})

t.test('a longer string is cut between two characters, or not read at all', async t => {
  for (const [unit, many] of [
    ['x', 4000],
    ['é', 2000],
    ['😀', 1000],
    ['\t', 2000],
  ] as const) {
    const text = textOf(unit.repeat(many))
    t.equal(readString(text, 0), undefined)
    const cut = readCutString(text, 0)
    t.ok(cut.length > 512 && unit.repeat(many).startsWith(cut), `${JSON.stringify(unit)}: ${cut.length}`)
  }
})

t.test('a number is read to its end, if it is not too long', async t => {
  for (const [text, value] of [
    ['12,', 12],
    ['-1.5e3}', -1500],
    ['0', 0],
    [`${'1'.repeat(MAX_VALUE_BYTES + 1)},`, undefined],
  ] as const)
    t.equal(readNumber(Buffer.from(text), 0), value)
})
