import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { createMember } from '../../../../lib/routing/members.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'
import { LINK_PROTOCOL, MEMBER_HEADER, SENDER_HEADER } from '../../../../lib/service/names.ts'
import { MemberAddresses } from '../../../../sidecar/peers/member-addresses.ts'
import { PeerGate } from '../../../../sidecar/peers/peer-gate.ts'
import { AcceptedLinks } from '../../../../sidecar/transport/link/accepted-links.ts'
import type { Receiver, Session } from '../../../../sidecar/transport/transport.ts'
import { connect } from '../../../helpers/client.ts'
import { waitFor } from '../../../helpers/wait.ts'

const TOKEN = 's3cret'
/** Address that all links here come from: any name would be believed of loopback. */
const PEER = '10.0.0.2'
const session: Session = { receive: () => 'delivered', receiveLoose: () => 'delivered' }

/** Links accepted on a real server; a handshake that is not admitted gets the status of its error. */
async function start(t: Test, { maxLinks, known = [] }: { maxLinks?: number; known?: string[] } = {}) {
  const verified: string[] = []
  const inbox: Receiver = {
    boot: Buffer.alloc(16),
    from: () => session,
    receive: () => 'delivered',
    addVerified: member => void verified.push(member),
    knows: member => known.includes(member),
    announced: () => {},
    ended: () => {},
  }
  const addresses = new MemberAddresses({ self: createMember('127.0.0.1', 1) })
  const links = new AcceptedLinks({
    inbox,
    gate: new PeerGate({
      addresses,
      token: TOKEN,
      tokenRequired: false,
      target: '',
      metrics: new Metrics(),
      addressOf: () => PEER,
    }),
    limits: { maxMessageBytes: 1_000_000, windowBytes: 65_536 },
    ...(maxLinks !== undefined && { maxLinks }),
  })
  const requests: IncomingMessage[] = []
  const server = new WebSocketServer({ noServer: true, handleProtocols: () => LINK_PROTOCOL })
  const http = createServer()
  http.on('upgrade', async (request: IncomingMessage, socket, head) => {
    requests.push(request)
    try {
      await links.admit({ raw: request, headers: request.headers } as FastifyRequest)
    } catch (error) {
      const { statusCode, code } = error as { statusCode: number; code: string }
      socket.end(`HTTP/1.1 ${statusCode} ${code}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
      return
    }
    server.handleUpgrade(request, socket, head, (webSocket: WebSocket) => links.accept(webSocket, request))
  })
  await once(http.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    for (const client of server.clients) client.terminate()
    http.closeAllConnections()
    http.close()
  })
  const { port } = http.address() as AddressInfo
  const dial = (sender: string, { headers = {}, protocols = [LINK_PROTOCOL], hasToken = true }: Dial = {}) =>
    connect(t, port, {
      protocols,
      headers: {
        [SENDER_HEADER]: sender,
        [MEMBER_HEADER]: `${PEER}:3000`,
        ...(hasToken && { authorization: `Bearer ${TOKEN}` }),
        ...headers,
      },
    })
  return { links, requests, verified, dial, server }
}

interface Dial {
  readonly headers?: Record<string, string>
  readonly protocols?: string[]
  readonly hasToken?: boolean
}

t.test('an admitted handshake becomes a link, which is counted until it ends', async t => {
  const { links, dial } = await start(t)
  t.equal(links.size, 0)
  const link = await dial('pod-a')
  t.equal(links.size, 1)
  await link.received(1)
  t.ok(link.messages[0]?.binary, 'it is greeted with the limits of this pod')
  link.socket.close()
  await waitFor(() => links.size === 0, 'it has ended')
})

t.test('handshakes that are not admitted', async t => {
  const { links, dial } = await start(t)
  for (const [what, options, status] of [
    ['a wrong token', { headers: { authorization: 'Bearer wrong' } }, 401],
    ['a stranger without a token', { hasToken: false }, 503],
    ['another version', { protocols: ['ws-operator-link.v9'] }, 400],
    ['an invalid member name', { headers: { [MEMBER_HEADER]: 'no name' } }, 400],
  ] as const)
    await t.rejects(dial('pod-a', options as Dial), { message: new RegExp(`refused with ${status}`) }, what)
  t.equal(links.size, 0)
  const raw = {} as IncomingMessage
  const headers = { authorization: `Bearer ${TOKEN}`, 'sec-websocket-protocol': LINK_PROTOCOL }
  Object.assign(raw, { headers, socket: { remoteAddress: '127.0.0.1' } })
  await t.rejects(links.admit({ raw, headers } as unknown as FastifyRequest), {
    code: 'WSO_ERR_BAD_MESSAGE',
    message: /x-ws-operator-sender is missing/,
  })
})

t.test('a sender has one link: a newer one ends the older one at once', async t => {
  const { links, dial } = await start(t)
  const [first, other] = [await dial('pod-a'), await dial('pod-b')]
  const second = await dial('pod-a')
  t.equal((await first.closed).code, 1006, 'without a close frame')
  t.equal(links.size, 2)
  second.socket.close()
  await waitFor(() => links.size === 1, 'the newer one has its place until it ends')
  t.equal(other.socket.readyState, other.socket.OPEN)
})

t.test('links are limited; a sender that has one is admitted again', async t => {
  const { links, dial } = await start(t, { maxLinks: 1 })
  const first = await dial('pod-a')
  await t.rejects(dial('pod-b'), { message: /refused with 503/ })
  await dial('pod-a')
  await first.closed
  t.equal(links.size, 1)
})

t.test('a link proves the member name of its own address, or one that is known already', async t => {
  const { dial, verified } = await start(t, { known: ['10.9.9.9:3000'] })
  for (const [sender, member] of [
    ['pod-a', `${PEER}:3000`],
    ['pod-b', '10.9.9.9:3000'],
    ['pod-c', '10.9.9.8:3000'],
  ] as const)
    await (await dial(sender, { headers: { [MEMBER_HEADER]: member } })).received(1)
  t.strictSame(verified, [`${PEER}:3000`, '10.9.9.9:3000'])
})

t.test('all links are closed with 1012', async t => {
  const { links, dial } = await start(t)
  const clients = [await dial('pod-a'), await dial('pod-b')]
  links.leaveAll()
  for (const { closed } of clients) t.strictSame(await closed, { code: 1012, reason: 'service restart' })
})

t.test('a silent link is ended', async t => {
  const { links, dial, requests } = await start(t)
  const { closed } = await dial('pod-a')
  const socket = requests[0]?.socket
  t.equal(socket?.timeout, 30_000)
  socket?.emit('timeout')
  t.equal((await closed).code, 1006)
  await waitFor(() => links.size === 0, 'its place is free')
})
