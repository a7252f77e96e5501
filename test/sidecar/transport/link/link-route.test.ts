import { once } from 'node:events'
import { connect as connectSocket } from 'node:net'
import t from 'tap'
import { LINK_PROTOCOL, LINK_VERSION_HEADER, MEMBER_HEADER, SENDER_HEADER } from '../../../../lib/service/names.ts'
import { LinkDecoder } from '../../../../sidecar/transport/link/link-decoder.ts'
import {
  deliverBytes,
  hereBytes,
  type LinkFrame,
  writeDeliver,
  writeHere,
} from '../../../../sidecar/transport/link/link-frames.ts'
import { startApp } from '../../../helpers/app.ts'
import { type Client, type ConnectOptions, connect, refusal } from '../../../helpers/client.ts'
import { membersFile, startBalancer, startSidecar } from '../../../helpers/stack.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { startPeer } from '../peer.ts'

const LINK: ConnectOptions = {
  path: '/message',
  protocols: [LINK_PROTOCOL],
  headers: { [SENDER_HEADER]: 'pod-a', [MEMBER_HEADER]: 'a:1' },
}

function frames(client: Client): LinkFrame[] {
  const decoder = new LinkDecoder(0)
  return client.messages.flatMap(({ data }) => decoder.push(data))
}

function deliver(id: number, user: string, content: string): Buffer {
  const message = { data: Buffer.from(content), binary: false }
  const bytes = Buffer.alloc(deliverBytes({ user, message, deliveredTo: undefined }))
  writeDeliver(bytes, 0, id, { user, deliver: 'app', message, lane: id, start: true, deliveredTo: undefined }, false)
  return bytes
}

t.test('a link delivers into the app’s connections; everything else on that path is the app’s', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile(), { MAX_PAYLOAD_BYTES: 5000 })
  await connect(t, sidecar.port, { user: 'bob' })
  const link = await connect(t, sidecar.port, LINK)
  t.equal(link.socket.protocol, LINK_PROTOCOL)
  t.equal(link.response.headers[LINK_VERSION_HEADER], '2', 'a sender learns what it may send')
  link.send(Buffer.concat([deliver(1, 'bob', 'hello'), deliver(2, 'ghost', 'hello')]))
  await waitFor(() => frames(link).length === 4, 'both are answered')
  t.match(frames(link), [
    { type: 'hello', windowBytes: 262_144, maxMessageBytes: 5000 },
    { type: 'outcome', id: 2, outcome: 'offline' },
    { type: 'outcome', id: 1, outcome: 'delivered' },
    { type: 'window' },
  ])
  t.strictSame(
    app.received.map(({ user, data }) => `${user} ${data}`),
    ['bob hello'],
  )
  t.equal(await sidecar.metric('links'), 1)
  t.equal(app.handshakes.length, 1, 'the app knows nothing of it')

  await connect(t, sidecar.port, { path: '/message', user: 'ann' })
  await connect(t, sidecar.port, { path: '/message?x=1', user: 'ann', protocols: [LINK_PROTOCOL] })
  await connect(t, sidecar.port, { path: '/message', user: 'ann', protocols: [LINK_PROTOCOL, 'other'] })
  await connect(t, sidecar.port, { path: '/other', user: 'ann', protocols: [LINK_PROTOCOL] })
  t.equal(app.handshakes.length, 5)
  const later = { ...LINK, protocols: ['ws-operator-link.v9'] }
  t.match(await refusal(t, sidecar.port, later), { status: 400, body: /links here are ws-operator-link\.v1, not .*v9/ })
  t.equal(app.handshakes.length, 5, 'a link of another version is not the app’s either')
  t.equal(await sidecar.metric('links'), 1)
})

t.test('announcements on a link, and where somebody is who is not here', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile('a:1'))
  await waitFor(async () => (await sidecar.metric('members')) === 1, 'who announces is a member')
  const link = await connect(t, sidecar.port, LINK)
  const users = Buffer.from('ann\nbob')
  const here = Buffer.alloc(hereBytes(users))
  writeHere(here, 0, 1, users)
  link.send(Buffer.concat([here, deliver(2, 'ann', 'hello')]))
  await waitFor(() => frames(link).length === 4, 'both are answered')
  t.match(frames(link), [
    { type: 'hello' },
    { type: 'outcome', id: 1, outcome: 'delivered' },
    { type: 'moved', id: 2, member: 'a:1' },
    { type: 'window' },
  ])
  t.equal(await sidecar.metric('user_locations'), 2)
})

t.test('a client of the balancer gets no link: its handshake is the app’s', async t => {
  const app = await startApp(t)
  const members = await membersFile()
  const sidecar = await startSidecar(t, app.port, members)
  await members.set(sidecar.name)
  const balancer = await startBalancer(t, members)
  await waitFor(async () => (await balancer.metric('members')) === 1, 'the member is known')
  await connect(t, balancer.port, LINK)
  t.equal(app.handshakes.length, 1)
  t.equal(await sidecar.metric('links'), 0)
})

t.test('with a token, only who shows it gets a link', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile(), { TOKEN: 's3cret' })
  const answer = await refusal(t, sidecar.port, LINK)
  t.equal(answer.status, 401)
  t.match(answer.body, 'WSO_ERR_UNAUTHORIZED')
  await connect(t, sidecar.port, { ...LINK, headers: { ...LINK.headers, authorization: 'Bearer s3cret' } })
  t.equal(app.handshakes.length, 0)
})

t.test('a handshake that does not say whose link it is: 400', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile())
  for (const name of [SENDER_HEADER, MEMBER_HEADER]) {
    const headers = { ...LINK.headers }
    delete headers[name]
    t.equal((await refusal(t, sidecar.port, { ...LINK, headers })).status, 400, name)
  }
})

t.test('what asks for a link by another method than GET is no handshake, and holds no connection', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile(), { TOKEN: 's3cret' })
  for (const method of ['POST', 'PUT']) {
    const socket = connectSocket(sidecar.port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    const head = [
      `${method} /message HTTP/1.1`,
      'host: sidecar',
      'connection: upgrade',
      'upgrade: websocket',
      'sec-websocket-version: 13',
      'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==',
      `sec-websocket-protocol: ${LINK_PROTOCOL}`,
      'content-length: 0',
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n`)
    let answer = ''
    socket.setEncoding('latin1').on('data', text => {
      answer += text
    })
    await once(socket, 'end')
    t.match(answer, /^HTTP\/1\.1 4\d\d /, method)
  }
})

t.test('a new link of the same sender ends the older one, and nobody else’s', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile())
  const first = await connect(t, sidecar.port, LINK)
  const other = await connect(t, sidecar.port, { ...LINK, headers: { ...LINK.headers, [SENDER_HEADER]: 'pod-b' } })
  const second = await connect(t, sidecar.port, LINK)
  t.equal((await first.closed).code, 1006)
  t.equal(await sidecar.metric('links'), 2)
  t.equal(other.socket.readyState, other.socket.OPEN)
  t.equal(second.socket.readyState, second.socket.OPEN)
})

t.test('more links than allowed: 503; who has one and makes it anew is not refused', async t => {
  const { port } = (await startPeer(t, { maxLinks: 2 })).member
  const from = (sender: string) => ({ ...LINK, headers: { ...LINK.headers, [SENDER_HEADER]: sender } })
  const [first, second] = [await connect(t, port, from('pod-a')), await connect(t, port, from('pod-b'))]
  t.match(await refusal(t, port, from('pod-c')), { status: 503, body: /WSO_ERR_FULL.*\(2\)/ })
  const again = await connect(t, port, from('pod-a'))
  t.equal((await first.closed).code, 1006)
  second.socket.close()
  await second.closed
  await waitFor(
    async () => (await connect(t, port, from('pod-c')).catch(() => undefined)) !== undefined,
    'there is room',
  )
  t.equal(again.socket.readyState, again.socket.OPEN)
})

t.test('a sidecar that stops closes its links with 1012', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile())
  const link = await connect(t, sidecar.port, LINK)
  const closing = sidecar.service.app.close()
  const [code] = await once(link.socket, 'close')
  t.equal(code, 1012)
  await closing
})
