import t from 'tap'
import { encodeHead, fieldOf, parseResponseHead } from '../../../lib/websocket/response-head.ts'

t.test('a head is read as it came and written the same', async t => {
  const text =
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSet-Cookie:a=1\r\nset-cookie:  b=2 \r\nX-Empty:'
  const head = parseResponseHead(text)
  t.strictSame(head, {
    status: 101,
    statusLine: 'HTTP/1.1 101 Switching Protocols',
    fields: [
      ['Upgrade', 'websocket'],
      ['Set-Cookie', 'a=1'],
      ['set-cookie', 'b=2'],
      ['X-Empty', ''],
    ],
  })
  t.equal(head && fieldOf(head, 'set-cookie'), 'a=1')
  t.equal(head && fieldOf(head, 'x-none'), undefined)
  t.equal(encodeHead('HTTP/1.1 200 OK', [['A', 'ü']]).toString('latin1'), 'HTTP/1.1 200 OK\r\nA: ü\r\n\r\n')
  t.equal(parseResponseHead('HTTP/1.1 404')?.status, 404, 'a reason is optional')
})

t.test('what is no head of HTTP/1, or could be read in two ways, is none', async t => {
  for (const bad of [
    '',
    'SSH-2.0-OpenSSH_9.6',
    'HTTP/2 200',
    'HTTP/1.1 99 Low',
    'HTTP/1.1 1000 High',
    'HTTP/1.1 200 OK\r\nno colon',
    'HTTP/1.1 200 OK\r\nA: b\r\n folded',
    'HTTP/1.1 200 OK\r\nA : b',
    'HTTP/1.1 200 OK\r\n: b',
    'HTTP/1.1 200 OK\r\nA: b\nC: d',
    'HTTP/1.1 200 OK\nA: b',
    'HTTP/1.1 200 O\rK',
    'HTTP/1.1 200 \0',
  ]) {
    t.equal(parseResponseHead(bad), undefined, JSON.stringify(bad))
  }
})

t.test('only blanks and tabs are no part of a value', async t => {
  const value = (text: string) => parseResponseHead(`HTTP/1.1 200 OK\r\nA:${text}`)?.fields[0]?.[1]
  t.equal(value('\t b c \t '), 'b c')
  t.equal(value(' \t '), '')
  const name = Buffer.from('voilà').toString('latin1')
  t.equal(value(` ${name}`), name, 'the second byte of the last letter looks like a blank')
})
