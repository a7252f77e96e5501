import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { WebSocket } from 'ws'

const app = fileURLToPath(new URL('../../../examples/chat/app.mjs', import.meta.url))

async function start(): Promise<{ child: ChildProcess; port: number }> {
  const child = spawn(process.execPath, [app], {
    env: { PORT: '0', HOST: '127.0.0.1' },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 20_000,
  })
  t.teardown(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout!, 'data')
  return { child, port: Number(/:(\d+)\n/.exec(String(line))?.[1]) }
}

async function connect(port: number, path: string, headers = {}): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, { headers })
  await once(socket, 'open')
  return socket
}

const next = async (socket: WebSocket): Promise<string> => String((await once(socket, 'message'))[0])

t.test('users of one process reach each other, by query and by header, on all their sockets', async t => {
  const { child, port } = await start()
  const alice = await connect(port, '/?user=alice')
  const bob = [await connect(port, '/?user=bob'), await connect(port, '/chat', { 'ws-user-id': 'bob' })]
  const text = JSON.stringify({ recipientId: 'bob', from: 'alice', text: 'hi' })
  const received = Promise.all(bob.map(next))
  for (const noise of ['not json', '{"recipientId":"nobody-here"}', 'null']) alice.send(noise)
  alice.send(text)
  t.strictSame(await received, [text, text], 'as it was sent, and nothing else before it')
  const named = await connect(port, '/', { 'ws-user-id': Buffer.from('zoë').toString('latin1') })
  const forZoe = JSON.stringify({ recipientId: 'zoë', text: 'hi' })
  const arrived = next(named)
  bob[0]!.send(forZoe)
  t.equal(await arrived, forZoe)
  t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
  t.equal((await fetch(`http://127.0.0.1:${port}/other`)).status, 404)
  const closed = once(alice, 'close')
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  t.equal((await closed)[0], 1001)
  t.strictSame(await exit, [0, null])
})
