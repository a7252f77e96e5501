import t from 'tap'
import { introduce, readIntroduction, shadowHandshake } from '../../../../sidecar/receive/shadows/introduction.ts'

const FIELDS = ['Host: app', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==']

const read = (...lines: string[]) => readIntroduction(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), 1000)

t.test('a handshake as a sidecar repeats it, and the user in it', async t => {
  t.strictSame(read('GET /ws?x=1 HTTP/1.1', ...FIELDS), { user: undefined, expected: undefined })
  t.strictSame(read('GET / HTTP/1.1', ...FIELDS, 'ws-user-id: bob'), { user: 'bob', expected: undefined })
  t.strictSame(read('GET / HTTP/1.1', ...FIELDS, `WS-User-Id: ${Buffer.from('zoë').toString('latin1')}`), {
    user: 'zoë',
    expected: undefined,
  })
})

t.test('the user that the sender’s app knows is between sidecars: the app does not get it', async t => {
  const handshake = Buffer.from(`${['GET / HTTP/1.1', ...FIELDS, 'ws-user-id: claimed'].join('\r\n')}\r\n\r\n`)
  for (const [user, expected] of [
    ['zoë', 'zoë'],
    [undefined, ''],
  ] as const) {
    const introduced = introduce(handshake, user)
    t.strictSame(readIntroduction(introduced, 1000), { user: 'claimed', expected })
    t.equal(
      shadowHandshake(introduced).toString(),
      `${handshake.toString().slice(0, -2)}x-ws-operator-shadow: true\r\n\r\n`,
    )
  }
  t.equal(readIntroduction(introduce(handshake, 'a\tb'), 1000), undefined)
})

t.test('anything else is not written to the app', async t => {
  const head = ['GET / HTTP/1.1', ...FIELDS]
  for (const [why, lines] of [
    ['another method', ['POST / HTTP/1.1', ...FIELDS]],
    ['no path', ['GET  HTTP/1.1', ...FIELDS]],
    ['a body', [...head, 'Content-Length: 5']],
    ['a body in chunks', [...head, 'Transfer-Encoding: chunked']],
    ['no upgrade', ['GET / HTTP/1.1', 'Host: app']],
    ['a second request', [...head, '', 'GET /admin HTTP/1.1', 'Host: app']],
    ['a bare line feed', [...head, 'x: y\nGET /admin HTTP/1.1']],
    ['a folded field', [...head, 'x: y', ' z']],
    ['no name of a user', [...head, 'ws-user-id: ']],
    ['too long', [...head, `x: ${'y'.repeat(1000)}`]],
  ] as const)
    t.equal(read(...lines), undefined, why)
  t.equal(readIntroduction(Buffer.from(head.join('\r\n')), 1000), undefined, 'no end')
  t.equal(readIntroduction(Buffer.from(`${head.join('\r\n')}\r\n\r\nx`), 1000), undefined, 'something after it')
})
