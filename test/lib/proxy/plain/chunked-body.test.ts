import fc from 'fast-check'
import t from 'tap'
import { ChunkedBody } from '../../../../lib/proxy/plain/chunked-body.ts'

/** Pushes a text in pieces that end at these places; the number of bytes until the end of the body. */
function endOf(text: string, cuts: readonly number[] = []): number | undefined {
  const body = new ChunkedBody()
  const bytes = Buffer.from(text, 'latin1')
  const places = [...cuts.map(cut => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
  let start = 0
  for (const place of places) {
    const end = body.push(bytes.subarray(start, place))
    if (end !== undefined) return start + end
    start = place
  }
  return undefined
}

t.test('the end of a body is found, and no byte behind it is taken', async t => {
  for (const text of [
    '0\r\n\r\n',
    '2\r\nok\r\n0\r\n\r\n',
    'A;name=value\r\n0123456789\r\n000\r\nX-Trailer: 1\r\nY: 2\r\n\r\n',
    '5\n0\r\n\r\n\n0\n\n',
  ]) {
    t.equal(endOf(text), text.length, JSON.stringify(text))
    t.equal(endOf(`${text}HTTP/1.1 200 OK`), text.length, 'with something behind it')
    t.equal(endOf(text.slice(0, -1)), undefined, 'not before its last byte')
  }
})

t.test('whatever the pieces are in which it comes', async () => {
  const chunk = fc.string({ minLength: 1, maxLength: 40 }).map(text => Buffer.from(text).toString('latin1'))
  const chunks = fc.array(chunk, { maxLength: 5 })
  fc.assert(
    fc.property(chunks, fc.array(fc.nat(), { maxLength: 6 }), (parts, cuts) => {
      const text = `${parts.map(part => `${part.length.toString(16)}\r\n${part}\r\n`).join('')}0\r\n\r\n`
      const end = endOf(`${text}more`, cuts)
      if (end !== text.length) throw new Error(`${end} instead of ${text.length}`)
    }),
  )
})

t.test('what is not chunked is said', async t => {
  for (const text of ['\r\n', 'x\r\n', '2\r\nokk', `${'f'.repeat(20)}\r\n`, `1;${'x'.repeat(2000)}`])
    t.throws(() => endOf(text), JSON.stringify(text.slice(0, 20)))
})
