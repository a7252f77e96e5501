import fc from 'fast-check'
import t from 'tap'
import * as T from '../../../../lib/websocket/addressing/json-tables.ts'

/** Whether a text is a JSON object by the table, with a stack for its brackets. */
function accepts(text: string): boolean {
  const levels: number[] = [T.NOTHING]
  let state: number = T.ROOT
  for (const byte of Buffer.from(text)) {
    state = T.NEXT[(state << 8) | byte] as number
    if (state === T.OPEN_OBJECT) {
      levels.push(T.AFTER_MEMBER)
      state = T.NAME_OR_END
    } else if (state === T.OPEN_ARRAY) {
      levels.push(T.AFTER_ELEMENT)
      state = T.ELEMENT_OR_END
    } else if (state === T.CLOSE) {
      levels.pop()
      state = levels.at(-1) as number
    } else if (state === T.BEGIN_NAME) state = T.NAME
    else if (state === T.FAIL) return false
  }
  return state === T.NOTHING
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

const same = (text: string) => {
  if (accepts(text) !== isObject(text)) throw new Error(`${JSON.stringify(text)} is an object: ${isObject(text)}`)
}

const TOKENS = ['{', '}', '[', ']', ',', ':', '"', '\\', '\\u00', 'e9', ' ', '\n', '\v', '\x1f', '\u00a0', 'é']
const LITERALS = ['true', 'false', 'null', 'nul', '0', '01', '-', '-0', '1.', '.5', '1.5', '1e', '1e+9', '"a"', '"a":1']

t.test('the table accepts exactly the objects that JSON.parse accepts', async () => {
  const near = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom(...TOKENS, ...LITERALS), fc.nat(2))
    .map(([json, at, token, removed]) => {
      const text = `{"a":${json}}`
      const place = at % text.length
      return text.slice(0, place) + token + text.slice(place + removed)
    })
  const anything = fc.array(fc.constantFrom(...TOKENS, ...LITERALS), { maxLength: 12 }).map(all => `{${all.join('')}}`)
  fc.assert(fc.property(fc.oneof(fc.json(), near, anything), same), { seed: 52, numRuns: 5000 })
})

t.test('each literal, number and escape is accepted as a value, and none of their beginnings', async () => {
  for (const value of [
    'true',
    'false',
    'null',
    '-0.5e-10',
    '10',
    '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uABcd"',
    '[[]]',
    '{}',
  ])
    for (let end = 0; end <= value.length; end++) {
      same(`{"a":${value.slice(0, end)}}`)
      same(`{"a":[${value.slice(0, end)}]}`)
    }
})

t.test('any single byte in any place of a text is judged as JSON.parse judges it', async () => {
  for (const text of ['{"a":[1,"b"],"c":{}}', '{ "a" : -1.2e+3 , "b" : [ true , null ] }', '{"\\u0061":"\\n"}'])
    for (let place = 0; place < text.length; place++)
      for (let byte = 0; byte < 128; byte++)
        same(text.slice(0, place) + String.fromCharCode(byte) + text.slice(place + 1))
})

t.test('the value of a wanted field tells a string and a number from other values', async t => {
  const next = (state: number, text: string) => T.NEXT[(state << 8) | text.charCodeAt(0)]
  t.equal(next(T.FIELD_COLON, ':'), T.FIELD_VALUE)
  t.equal(next(T.FIELD_COLON, ' '), T.FIELD_COLON)
  t.equal(next(T.FIELD_VALUE, ' '), T.FIELD_VALUE)
  t.equal(next(T.FIELD_VALUE, '"'), T.BEGIN_FIELD_STRING)
  for (const digit of '-0123456789') t.equal(next(T.FIELD_VALUE, digit), T.BEGIN_FIELD_NUMBER, digit)
  for (const other of '{[tfn+}],') t.equal(next(T.FIELD_VALUE, other), next(T.MEMBER_VALUE, other), other)
})

t.test('escapes and hexadecimal digits are decoded as JSON.parse decodes them', async t => {
  for (let byte = 0x20; byte < 0x7f; byte++) {
    const letter = String.fromCharCode(byte)
    const decoded = isObject(`{"a":"\\${letter}"}`) ? JSON.parse(`"\\${letter}"`).charCodeAt(0) : 0
    t.equal(T.ESCAPES[byte], decoded, letter)
    const digit = Number.parseInt(letter, 16)
    t.equal(T.HEX[byte], Number.isNaN(digit) ? 255 : digit, letter)
  }
})

t.test('the fast path through a string stops at each byte that may not stand in it as it is', async t => {
  for (let byte = 0; byte < 128; byte++) {
    const isPlain = isObject(`{"a":"${String.fromCharCode(byte)}"}`)
    t.equal(T.SPECIAL[byte], isPlain ? 0 : 1, `${byte}`)
  }
  t.ok(
    T.SPECIAL.subarray(128).every(special => special === 0),
    'UTF-8 is checked elsewhere',
  )
})
