import t from 'tap'
import { FieldNames } from '../../../../lib/websocket/addressing/field-names.ts'

const bytesOf = (table: Uint8Array) =>
  [...table.keys()].filter(byte => table[byte] !== 0).map(byte => String.fromCharCode(byte))

t.test('each name has its place and its UTF-8 bytes', async t => {
  const { fields } = new FieldNames(['to', 'né'])
  t.strictSame(
    fields.map(({ place, name }) => [place, Buffer.from(name).toString('hex')]),
    [
      [0, '746f'],
      [1, '6ec3a9'],
    ],
  )
})

t.test('the plain part of a name ends before the first byte that JSON always escapes', async t => {
  for (const [name, plainBytes] of [
    ['to', 2],
    ['né', 3],
    ['a"b', 1],
    ['a\\b', 1],
    ['tab\t', 3],
    ['\u0000', 0],
    ['a/b', 3],
    ['', 0],
  ] as const)
    t.equal(new FieldNames([name]).fields[0]?.plainBytes, plainBytes, JSON.stringify(name))
})

t.test('a matching name begins with its first byte, or with an escape', async t => {
  t.strictSame(bytesOf(new FieldNames(['to', 'id']).beginnings), ['\\', 'i', 't'])
  t.strictSame(bytesOf(new FieldNames(['to', 'type']).beginnings), ['\\', 't'])
})

t.test('the empty name begins with the quote that ends it', async t => {
  t.strictSame(bytesOf(new FieldNames(['']).beginnings), ['"', '\\'])
})
