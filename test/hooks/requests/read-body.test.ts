import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect, type Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import { ByteBudget } from '../../../hooks/requests/byte-budget.ts'
import { checkLength, readBody } from '../../../hooks/requests/read-body.ts'
import { waitFor } from '../../helpers/wait.ts'
import { recorded, startHooks } from '../helper.ts'

t.test('the head decides first', async t => {
  t.doesNotThrow(() => checkLength({ 'content-length': '100' }, 100))
  t.throws(() => checkLength({ 'content-length': '101' }, 100), { statusCode: 413, code: 'WSO_ERR_BODY_TOO_LARGE' })
  t.throws(() => checkLength({}, 100), { statusCode: 411, code: 'WSO_ERR_LENGTH_REQUIRED' })
})

t.test('a body is read as a whole, and its bytes are given back', async t => {
  const budget = new ByteBudget(100)
  t.equal(await readBody(Readable.from([Buffer.from('{"a":'), Buffer.from('"é"}')]), budget), '{"a":"é"}')
  t.equal(budget.bytes, 0)
  await t.rejects(readBody(Readable.from([Buffer.from('['.repeat(300))]), new ByteBudget(1000)), {
    code: 'WSO_ERR_BAD_REQUEST',
    message: /nested deeper/,
  })
})

t.test('who drips makes room for who comes later', async t => {
  const budget = new ByteBudget(100)
  const slow = new PassThrough()
  const refused = t.rejects(readBody(slow, budget), { code: 'WSO_ERR_BUSY', statusCode: 429 })
  slow.write('x'.repeat(90))
  await waitFor(() => budget.bytes === 90, 'the first body has arrived in part')
  t.equal(await readBody(Readable.from([Buffer.from(`"${'y'.repeat(48)}"`)]), budget), `"${'y'.repeat(48)}"`)
  await refused
  slow.write('more is thrown away')
  t.equal(budget.bytes, 0)
})

t.test('who leaves gives everything back', async t => {
  const budget = new ByteBudget(100)
  const body = new PassThrough()
  const left = t.rejects(readBody(body, budget), { code: 'WSO_ERR_CLIENT_GONE' })
  body.destroy()
  await left
  t.equal(budget.bytes, 0)
})

/** A request that begins and does not end: its head, and as much of the body as is given. */
async function begin(port: number, length: number, body: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(
    `POST /decorator/sync HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n${body}`,
  )
  return socket
}

t.test('a crowd of unfinished bodies does not keep Metacontroller out', async t => {
  const { app } = await startHooks(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const mebibyte = 1024 * 1024
  const crowd = await Promise.all(
    Array.from({ length: 12 }, () => begin(port, 4 * mebibyte, 'x'.repeat(4 * mebibyte - 1))),
  )
  const [answer] = await once(crowd[0] as Socket, 'data')
  t.match(String(answer), /^HTTP\/1.1 429 /, 'the first has had to make room')
  t.match(String(answer), /retry-after: 1/i)
  const response = await fetch(`http://127.0.0.1:${port}/decorator/sync`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(recorded('decorator-sync-first')),
  })
  t.equal(response.status, 200)
  for (const socket of crowd) socket.destroy()
})
