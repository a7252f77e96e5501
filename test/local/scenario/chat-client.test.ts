import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { type WebSocket, WebSocketServer } from 'ws'
import { ChatClient } from '../../../local/scenario/chat-client.ts'
import { waitFor } from '../../helpers/wait.ts'

/** A chat that passes each message to its recipient, once it has refused so many handshakes. */
async function start(t: Test, refuse = 0) {
  const sockets = new Map<string, WebSocket>()
  let refused = 0
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: 0,
    verifyClient: (_, answer) => {
      if (refused === refuse) return answer(true)
      refused++
      answer(false, 503)
    },
  })
  await once(server, 'listening')
  server.on('connection', (socket, { url = '' }) => {
    sockets.set(new URLSearchParams(url.slice(2)).get('user')!, socket)
    socket.on('message', data => sockets.get(JSON.parse(String(data)).recipientId)?.send(String(data)))
  })
  t.teardown(() => {
    for (const socket of server.clients) socket.terminate()
    server.close()
  })
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = async (user: string) => {
    const made = new ChatClient(user, url)
    await made.connect()
    t.teardown(() => made.end())
    return made
  }
  return { client, sockets, refused: () => refused }
}

t.test('a user reaches another one, whatever its name', async t => {
  const { client, sockets } = await start(t)
  const [alice, zoe] = [await client('Alice'), await client('Zoë & co')]
  t.strictSame([...sockets.keys()], ['Alice', 'Zoë & co'])
  t.type(await alice.reach(zoe, 'hi'), 'number')
  t.type(await zoe.reach(alice, 'hi'), 'number')
})

t.test('messages that are under way together are told apart', async t => {
  const { client } = await start(t)
  const [alice, bob, carol] = [await client('Alice'), await client('Bob'), await client('Carol')]
  const times = await Promise.all([alice.reach(carol, '1'), bob.reach(carol, '1'), alice.reach(carol, '2')])
  for (const time of times) t.type(time, 'number')
})

t.test('connecting goes on until it is accepted', async t => {
  const { client, refused } = await start(t, 2)
  const alice = await client('Alice')
  t.equal(refused(), 2)
  t.equal(alice.closed, undefined)
})

t.test('the end of a connection is told with its code, and nothing is sent on it', async t => {
  const { client, sockets } = await start(t)
  const [alice, bob] = [await client('Alice'), await client('Bob')]
  sockets.get('Bob')!.close(1012)
  await waitFor(() => bob.closed !== undefined, 'Bob is closed')
  t.equal(bob.closed, 1012)
  t.equal(await alice.reach(bob, 'hi'), undefined)
  t.equal(await bob.reach(alice, 'hi'), undefined)
  await bob.connect()
  t.equal(bob.closed, undefined, 'until it is connected again')
  t.type(await alice.reach(bob, 'again'), 'number')
})
