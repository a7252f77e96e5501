import fc from 'fast-check'
import t from 'tap'
import { FieldNames } from '../../../../lib/websocket/addressing/field-names.ts'
import { FieldScan, MAX_DEPTH } from '../../../../lib/websocket/addressing/field-scan.ts'
import { MAX_VALUE_BYTES } from '../../../../lib/websocket/addressing/json-values.ts'

const FIELDS = ['to', 'id', '__proto__', 'a"b', 'né\u{1f600}']

type Found = (string | number | undefined)[]

/** What `JSON.parse` finds. */
function parsed(text: string): Found {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return FIELDS.map(() => undefined)
    return FIELDS.map(field => {
      const own: unknown = Object.hasOwn(value, field) ? (value as Record<string, unknown>)[field] : undefined
      return typeof own === 'string' || typeof own === 'number' ? own : undefined
    })
  } catch {
    return FIELDS.map(() => undefined)
  }
}

const scan = new FieldScan(new FieldNames(FIELDS))

/** What the scan finds in the same bytes, cut into pieces. */
function scanned(bytes: Buffer, cuts: readonly number[] = []): Found {
  scan.reset()
  let start = 0
  let open = true
  for (const end of [...cuts.map(cut => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    // Within something larger, as in a buffer that is read.
    const piece = Buffer.concat([Buffer.from('"}'), bytes.subarray(start, end), Buffer.from('"x')])
    open = open && scan.feed(piece, 2, piece.length - 2)
    start = end
  }
  return FIELDS.map((_, n) => (open ? scan.scalarOf(n, bytes) : undefined))
}

const same = (bytes: Buffer, cuts?: readonly number[]) => {
  const expected = parsed(bytes.toString())
  const found = scanned(bytes, cuts)
  if (!found.every((value, n) => Object.is(value, expected[n])))
    throw new Error(`${JSON.stringify(found)}, not ${JSON.stringify(expected)}, in ${JSON.stringify(bytes.toString())}`)
}

/** A string of JSON with some of its characters written as escapes, in any form that is allowed. */
const quoted = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.infiniteStream(fc.nat(7))).map(([text, ways]) => {
    const unit = (code: number) => `\\u${code.toString(16).padStart(4, '0')}`
    const one = (character: string, way: number) => {
      if (way === 0) return [...Array(character.length).keys()].map(n => unit(character.charCodeAt(n))).join('')
      if (way === 1 && character === '/') return '\\/'
      return JSON.stringify(character).slice(1, -1)
    }
    return `"${[...text].map(character => one(character, ways.next().value as number)).join('')}"`
  })
const space = fc.constantFrom('', '', '', ' ', '\n', '\t\r ')
const name = quoted(
  fc.oneof(
    fc.constantFrom(...FIELDS, 't', 'tox', 'i', 'ne\u0301', 'né\ud83d', 'né\ude00', '', 'constructor'),
    fc.string({ unit: 'binary', maxLength: 4 }),
  ),
)
const leaf = fc.oneof(
  quoted(fc.oneof(fc.constantFrom('bob', '', '\ud800', '\udc00\ud800', '\u{1f600}'), fc.string({ unit: 'binary' }))),
  fc.constantFrom('true', 'false', 'null', '0', '-0', '1e400', '-1.5E+3', '0.10', '12345678901234567890', '1e-7'),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
)
const { value: json } = fc.letrec<{ value: string }>(tie => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc
      .array(fc.tuple(space, tie('value'), space), { maxLength: 4 })
      .map(all => `[${all.map(one => one.join('')).join()}]`),
    fc
      .array(fc.tuple(space, name, space, tie('value'), space), { maxLength: 5 })
      .map(all => `{${all.map(([a, key, b, value, c]) => `${a}${key}${b}:${value}${c}`).join()}}`),
  ),
}))
const object = fc
  .array(fc.tuple(space, name, space, json, space), { maxLength: 6 })
  .map(all => ` {${all.map(([a, key, b, value, c]) => `${a}${key}${b}:${value}${c}`).join()}}\n`)
const cuts = fc.array(fc.nat(), { maxLength: 6 })

t.test('what is found in any JSON is what JSON.parse finds, however it is cut', async () => {
  fc.assert(
    fc.property(fc.oneof({ weight: 6, arbitrary: object }, json), cuts, (text, places) => {
      same(Buffer.from(text), places)
    }),
    { seed: 21, numRuns: 2500 },
  )
})

/** Bytes that matter to the grammar. */
const TOKENS = Buffer.from('{}[]":,\\u0123eE+-.tfn/ \t\n\r\0\x1f\x7f')

/** Changes a few bytes, as the numbers say. */
function mutate(text: string, number: (below: number) => number): Buffer {
  const bytes = [...Buffer.from(text)]
  for (let n = number(3); n >= 0; n--) {
    const place = number(bytes.length + 1)
    const byte = number(4) === 0 ? number(256) : (TOKENS[number(TOKENS.length)] as number)
    const kind = number(5)
    if (kind === 0) bytes[place] = byte
    else if (kind === 1) bytes.splice(place, 0, byte)
    else if (kind === 2) bytes.splice(place, 1 + number(4))
    else if (kind === 3) bytes.splice(place, 0, ...bytes.slice(number(bytes.length + 1)).slice(0, number(20)))
    else bytes.length = place
  }
  return Buffer.from(bytes)
}

t.test('also where bytes of it were changed, which mostly is no JSON', async t => {
  let valid = 0
  fc.assert(
    fc.property(object, fc.nat(), (text, seed) => {
      let state = seed
      const number = (below: number) => {
        state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
        return (state >> 8) % below
      }
      for (let n = 0; n < 12; n++) {
        // Bytes that are no UTF-8 are read as U+FFFD, which changes offsets; the caller refuses them.
        const bytes = Buffer.from(mutate(text, number).toString())
        if (parsed(bytes.toString()).some(value => value !== undefined)) valid++
        same(bytes, [number(1000), number(1000)])
      }
    }),
    { seed: 22, numRuns: 1500 },
  )
  t.ok(valid > 200, `${valid} of 18,000 were JSON with a field`)
})

t.test('each byte at each place of a small object', async () => {
  for (const text of ['{"to":"b","id":-1.5e+3}', '{"a":[tru,{}],"\\u0074o":"\\n"}'.replace('tru', 'true')])
    for (let at = 0; at <= text.length; at++)
      for (let value = 0; value < 128; value++) {
        same(Buffer.from(text.slice(0, at) + String.fromCharCode(value) + text.slice(at)), [at])
        same(Buffer.from(text.slice(0, at) + String.fromCharCode(value) + text.slice(at + 1)))
      }
})

t.test('nesting is read down to its limit, and what is deeper is said to be', async t => {
  const nested = (open: string, close: string, depth: number) =>
    Buffer.from(`{"a":${open.repeat(depth - 1)}1${close.repeat(depth - 1)},"to":"bob"}`)
  for (const [open, close] of [
    ['[', ']'],
    ['{"to":', '}'],
    ['[{"x":', '}]'],
  ] as const) {
    const step = (open.match(/[[{]/g) ?? []).length
    const depth = Math.floor((MAX_DEPTH - 1) / step) + 1
    t.equal(scanned(nested(open, close, depth))[0], 'bob')
    t.equal(scan.tooDeep, false)
    t.equal(scanned(nested(open, close, depth + 1))[0], undefined)
    t.equal(scan.tooDeep, true)
  }
  t.equal(scanned(Buffer.from('{"to":"bob"}'))[0], 'bob')
  t.equal(scan.tooDeep, false, 'the next text begins anew')
})

t.test('it ends with the first byte that no JSON object can have', async t => {
  for (const text of [
    '[',
    '"',
    '1',
    '\ufeff{}',
    '{]',
    '{"a"}',
    '{"a":tx',
    '{"a":01',
    '{}x',
    '{"a":"\n',
    '{"\\x',
    '{"to\\x',
  ]) {
    scan.reset()
    const bytes = Buffer.from(text)
    t.equal(scan.feed(bytes, 0, bytes.length), false, JSON.stringify(text))
    t.equal(scan.feed(bytes, 0, bytes.length), false, 'and stays so')
    t.notOk(scan.whole)
  }
})

t.test('of a long string a part is enough to know that it is long; a long id is none', async t => {
  const kinds = ['x', '\\n', '\\u0041', 'é', '\u{1f600}', '\\ud83d\\ude00', '\\ud800']
  for (const kind of kinds) {
    const text = (count: number) => Buffer.from(`{"to":"${kind.repeat(count)}"}`)
    const decoded = JSON.parse(`"${kind}"`) as string
    for (const count of [10, Math.floor(MAX_VALUE_BYTES / Buffer.byteLength(kind))]) {
      t.equal(scanned(text(count))[0], decoded.repeat(count), `${count} times ${kind}`)
      t.equal(scan.stringOf(0, text(count)), decoded.repeat(count))
    }
    t.equal(scanned(text(100_000))[0], undefined)
    const part = scan.stringOf(0, text(100_000)) ?? ''
    t.ok(Buffer.byteLength(part) > 512, `${kind}: ${part.length} characters`)
    t.ok(part.length <= MAX_VALUE_BYTES + 1 && decoded.repeat(100_000).startsWith(part))
  }
  t.equal(scanned(Buffer.from(`{"id":${'1'.repeat(MAX_VALUE_BYTES)}}`))[1], Number.POSITIVE_INFINITY)
  t.equal(scanned(Buffer.from(`{"id":${'1'.repeat(MAX_VALUE_BYTES + 1)}}`))[1], undefined)
})
