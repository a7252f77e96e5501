import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { createMember } from '../../../../lib/routing/members.ts'
import { MAX_BATCH_BYTES } from '../../../../sidecar/transport/link/link-frames.ts'
import {
  closeLink,
  dialLink,
  readLinkVersion,
  readRefusal,
  sendBytes,
} from '../../../../sidecar/transport/link/link-socket.ts'

/** The accepting end, and a link that was dialled to it. */
async function dial(t: Test, headers: Record<string, string> = {}) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    server.close()
  })
  const accepted = once(server, 'connection')
  const member = createMember('127.0.0.1', (server.address() as AddressInfo).port)
  const link = dialLink({ member, headers }) as WebSocket
  t.teardown(() => link.terminate())
  const [socket, request] = await accepted
  if (link.readyState !== WebSocket.OPEN) await once(link, 'open')
  return { link, member, socket: socket as WebSocket, request }
}

t.test('a link is dialled at the path of messages, with its sub-protocol, to the member that was meant', async t => {
  const { link, member, request } = await dial(t, { 'x-ws-operator-sender': 'pod-a' })
  t.match(request, {
    url: '/message',
    headers: { host: member.name, 'x-ws-operator-sender': 'pod-a', 'sec-websocket-protocol': 'ws-operator-link.v1' },
  })
  t.equal(request.headers['sec-websocket-extensions'], undefined, 'nothing is compressed')
  t.equal(link.protocol, 'ws-operator-link.v1')
})

t.test('a header that cannot be sent is no reason to throw', async t => {
  t.equal(dialLink({ member: createMember('127.0.0.1', 1), headers: { authorization: 'Bearer \u2013' } }), undefined)
})

t.test('bytes beyond the size of a batch are several messages, in order', async t => {
  const { link, socket } = await dial(t)
  const got: Buffer[] = []
  socket.on('message', (data: Buffer) => got.push(data))
  const bytes = Buffer.alloc(2 * MAX_BATCH_BYTES + 10, 'abcdefg')
  await new Promise<void>(resolve => sendBytes(link, bytes, resolve))
  sendBytes(link, Buffer.from('last'))
  link.close()
  await once(socket, 'close')
  t.strictSame(
    got.map(({ length }) => length),
    [MAX_BATCH_BYTES, MAX_BATCH_BYTES, 10, 4],
  )
  t.ok(Buffer.concat(got.slice(0, 3)).equals(bytes))
})

t.test('a link is closed with its code and reason', async t => {
  const { link, socket } = await dial(t)
  const closed = once(socket, 'close')
  closeLink(link, 1012, 'service restart')
  const [code, reason] = await closed
  t.strictSame([code, String(reason)], [1012, 'service restart'])
})

t.test('the other end is not waited for without end, nor is one that was never reached', async t => {
  const { link, socket } = await dial(t)
  socket.pause()
  closeLink(link, 1000, '')
  t.equal((await once(link, 'close'))[0], 1006, 'terminated')
  const early = dialLink({ member: createMember('127.0.0.1', 1), headers: {} }) as WebSocket
  early.on('error', () => {})
  const ended = new Promise(resolve => early.once('close', resolve))
  closeLink(early, 1000, '')
  await ended
})

t.test('the version that the other end reads is a positive number; anything else is version 1', async t => {
  const version = (value?: string) =>
    readLinkVersion({ headers: { ...(value !== undefined && { 'x-ws-operator-link-version': value }) } } as never)
  t.strictSame(['2', '9999', '0', '-1', '1.5', '10000', 'two', ''].map(version), [2, 9999, 1, 1, 1, 1, 1, 1])
  t.equal(version(), 1)
})

t.test('a refusal says whether to dial again later', async t => {
  const refusal = (code?: string) =>
    readRefusal({ headers: { ...(code !== undefined && { 'x-ws-operator-error': code }) } } as never)
  t.equal(refusal('WSO_ERR_UNKNOWN_PEER'), 'unknown')
  t.equal(refusal('WSO_ERR_FULL'), 'no_link')
  t.equal(refusal(), 'no_link')
})
