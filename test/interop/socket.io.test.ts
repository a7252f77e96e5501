import { once } from 'node:events'
import { createServer } from 'node:http'
import { Server, type ServerOptions, type Socket as ServerSocket } from 'socket.io'
import { type Socket as ClientSocket, io, type ManagerOptions, type SocketOptions } from 'socket.io-client'
import t from 'tap'
import { type Scope, startStack, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { type HttpApp, LARGE_BYTES, largeBinary, listen, sha256 } from './support.ts'

// https://github.com/socketio/socket.io: Engine.IO over a WebSocket, and over plain requests first, as its clients do by default.

interface Pod extends HttpApp {
  readonly server: Server
}

async function startPod(t: Scope, options: Partial<ServerOptions> = {}): Promise<Pod> {
  const http = createServer()
  const server = new Server(http, { maxHttpBufferSize: 2 * LARGE_BYTES, serveClient: false, ...options })
  t.teardown(() => server.close())
  return { ...(await listen(t, http)), server }
}

function client(
  t: Scope,
  port: number,
  user: string,
  options: Partial<ManagerOptions & SocketOptions> = {},
  path = '',
): ClientSocket {
  const socket = io(`http://127.0.0.1:${port}${path}`, {
    transports: ['websocket'],
    extraHeaders: { 'ws-user-id': user },
    reconnectionDelay: 20,
    forceNew: true,
    ...options,
  })
  t.teardown(() => socket.disconnect())
  return socket
}

const open = (socket: ClientSocket) => waitFor(() => socket.connected, 'the client is connected')

const transportOf = (socket: ClientSocket) => socket.io.engine.transport.name

t.test('events, acknowledgements, rooms and namespaces over a WebSocket alone', async t => {
  const pod = await startPod(t)
  const credentials: unknown[] = []
  pod.server.of('/chat').on('connection', (socket: ServerSocket) => {
    credentials.push(socket.handshake.auth)
    socket.on('join', (room: string, done: () => void) => {
      void socket.join(room)
      done()
    })
    socket.on('say', (room: string, text: string) => socket.to(room).emit('said', text))
    socket.on('add', (a: number, b: number, answer: (sum: number) => void) => answer(a + b))
  })
  const { balancer } = await startStack(t, [pod])
  const alice = client(t, balancer.port, 'alice', { auth: { token: 'secret' } }, '/chat')
  const bob = client(t, balancer.port, 'bob', {}, '/chat')
  await Promise.all([open(alice), open(bob)])
  t.equal(transportOf(alice), 'websocket')
  t.match(pod.handshakes[0]?.url, /^\/socket\.io\/\?EIO=4&transport=websocket/)
  t.ok(credentials.some(auth => (auth as { token?: string }).token === 'secret'))
  t.equal(await alice.timeout(5000).emitWithAck('add', 40, 2), 42)
  const heard: string[] = []
  bob.on('said', text => heard.push(text))
  await bob.timeout(5000).emitWithAck('join', 'lobby')
  const texts = Array.from({ length: 500 }, (_, n) => `${n} {"recipientId":"carol"} 🐠`)
  for (const text of texts) alice.emit('say', 'lobby', text)
  await waitFor(() => heard.length === texts.length, 'all was heard')
  t.strictSame(heard, texts, 'in order, and none of it was taken for addressed')
  pod.server.of('/chat').disconnectSockets()
  await waitFor(() => !alice.connected && !bob.connected, 'the server has put them out of the namespace')
})

t.test('8 MiB of binary as an attachment, in both directions', async t => {
  const pod = await startPod(t)
  pod.server.on('connection', (socket: ServerSocket) => {
    socket.on('file', (file: { name: string; data: Buffer }, answer: (digest: string, back: Buffer) => void) =>
      answer(`${file.name} ${sha256(file.data)}`, file.data),
    )
  })
  const { balancer } = await startStack(t, [pod])
  const alice = client(t, balancer.port, 'alice')
  await open(alice)
  const data = largeBinary()
  const [digest, back] = await new Promise<[string, Buffer]>((resolve, reject) => {
    alice.timeout(10_000).emit('file', { name: 'one', data }, (error: Error | null, digest: string, back: Buffer) => {
      if (error) reject(error)
      else resolve([digest, back])
    })
  })
  t.equal(digest, `one ${sha256(data)}`)
  t.equal(sha256(back), sha256(data))
})

t.test("the server's heartbeat goes end to end", async t => {
  const pod = await startPod(t, { pingInterval: 100, pingTimeout: 5000 })
  const { balancer } = await startStack(t, [pod])
  let answered = 0
  pod.server.engine.on('connection', (socket: { on(event: string, listener: () => void): void }) =>
    socket.on('heartbeat', () => answered++),
  )
  const alice = client(t, balancer.port, 'alice')
  let asked = 0
  alice.io.on('ping', () => asked++)
  await waitFor(() => asked >= 3 && answered >= 3, 'three heartbeats')
  t.equal(alice.connected, true)
})

t.test('both sides know how the other has left; a client whose connection broke comes back by itself', async t => {
  const pod = await startPod(t)
  const left: string[] = []
  let last: ServerSocket | undefined
  pod.server.on('connection', (socket: ServerSocket) => {
    last = socket
    socket.on('disconnect', reason => left.push(reason))
  })
  const { balancer } = await startStack(t, [pod])
  const alice = client(t, balancer.port, 'alice')
  const reasons: string[] = []
  alice.on('disconnect', reason => reasons.push(reason))
  await open(alice)
  const first = alice.id
  for (const socket of pod.sockets) socket.destroy()
  await waitFor(() => alice.connected && alice.id !== first, 'the client is back')
  t.strictSame(reasons, ['transport close'])
  await waitFor(() => left.length === 1, 'the server has noticed')

  alice.disconnect()
  await waitFor(() => left.length === 2, 'it has left')
  t.equal(left[1], 'client namespace disconnect')

  const bob = client(t, balancer.port, 'bob')
  await open(bob)
  const closed = new Promise(resolve => bob.once('disconnect', resolve))
  last?.disconnect(true)
  t.equal(await closed, 'io server disconnect')
})

t.test("a client that the app does not let in is told the app's reason", async t => {
  const pod = await startPod(t)
  pod.server.use((_socket, next) => next(new Error('no thanks')))
  const { balancer } = await startStack(t, [pod])
  const alice = client(t, balancer.port, 'alice')
  const [error] = (await once(alice as unknown as NodeJS.EventEmitter, 'connect_error')) as [Error]
  t.equal(error.message, 'no thanks')
})

t.test('plain requests first, then a WebSocket: all of one client on the pod that owns the user', async t => {
  const pods = await Promise.all([startPod(t), startPod(t)])
  for (const [n, { server }] of pods.entries()) {
    server.on('connection', (socket: ServerSocket) => socket.on('where', (answer: (pod: number) => void) => answer(n)))
  }
  const { balancer, ownerOf } = await startStack(t, pods)
  for (const pod of [0, 1]) {
    const socket = client(t, balancer.port, userOn(ownerOf, pod), { transports: ['polling', 'websocket'] })
    await open(socket)
    await waitFor(() => transportOf(socket) === 'websocket', 'the upgrade is done')
    t.equal(await socket.timeout(5000).emitWithAck('where'), pod)
    t.equal(pods[pod]?.handshakes.length, 1)
  }
})

t.test('plain requests alone', async t => {
  const pod = await startPod(t)
  pod.server.on('connection', (socket: ServerSocket) =>
    socket.on('echo', (data: Buffer, answer: (data: Buffer) => void) => answer(data)),
  )
  const { balancer } = await startStack(t, [pod])
  const alice = client(t, balancer.port, 'alice', { transports: ['polling'] })
  await open(alice)
  t.equal(transportOf(alice), 'polling')
  const data = largeBinary().subarray(0, LARGE_BYTES / 8)
  t.equal(sha256(await alice.timeout(5000).emitWithAck('echo', data)), sha256(data))
  t.equal(pod.handshakes.length, 0)
})
