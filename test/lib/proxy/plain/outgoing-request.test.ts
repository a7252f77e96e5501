import type { IncomingMessage } from 'node:http'
import t from 'tap'
import {
  isForeign,
  isRepeatable,
  mayShare,
  nameOf,
  outgoingRequest,
} from '../../../../lib/proxy/plain/outgoing-request.ts'

const TARGET = { host: '10.0.0.1', port: 80, drop: new Set(['x-dropped']), set: { 'X-Set': '1' }, answer: {} }

function request(method: string, fields: Record<string, string> = {}): IncomingMessage {
  const headers = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name.toLowerCase(), value]))
  const message = { method, url: '/path?q', headers, rawHeaders: Object.entries(fields).flat() }
  return message as unknown as IncomingMessage
}

t.test('only a safe request without a body is repeatable, and HEAD shares no connection', async t => {
  for (const method of ['GET', 'HEAD', 'OPTIONS']) {
    t.equal(isRepeatable(request(method)), true, method)
    t.equal(isRepeatable(request(method, { 'Content-Length': '0' })), true, method)
    t.equal(isRepeatable(request(method, { 'Content-Length': '1' })), false, method)
    t.equal(isRepeatable(request(method, { 'Transfer-Encoding': 'chunked' })), false, method)
    t.equal(mayShare(request(method)), method !== 'HEAD', method)
  }
  for (const method of ['POST', 'PUT', 'DELETE', 'TRACE']) t.equal(isRepeatable(request(method)), false, method)
})

t.test('only chunked is a coding that Node removes', async t => {
  for (const coding of [undefined, 'chunked', ' Chunked']) t.equal(isForeign(coding), false, `${coding}`)
  for (const coding of ['gzip', 'gzip, chunked', '']) t.equal(isForeign(coding), true, coding)
})

t.test('a request is repeated with the fields of this hop', async t => {
  const fields = { Host: 'app.example', 'X-Kept': 'a', 'X-Dropped': 'b' }
  t.strictSame(outgoingRequest(request('GET', fields), TARGET), {
    host: '10.0.0.1',
    port: 80,
    method: 'GET',
    path: '/path?q',
    setHost: false,
    headers: ['Host', 'app.example', 'X-Kept', 'a', 'X-Set', '1'],
  })
  t.equal(nameOf(TARGET), '10.0.0.1:80')
})

t.test('a missing Host and a chunked body are written for the next hop', async t => {
  t.strictSame(outgoingRequest(request('GET'), TARGET).headers, ['Host', '10.0.0.1:80', 'X-Set', '1'])
  t.strictSame(outgoingRequest(request('GET', { Host: 'h', 'Transfer-Encoding': 'chunked' }), TARGET).headers, [
    'Host',
    'h',
    'Transfer-Encoding',
    'chunked',
    'X-Set',
    '1',
  ])
})
