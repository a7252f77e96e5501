import { docs, setupWSConnection } from '@y/websocket-server/utils'
import t from 'tap'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { type App, startApp } from '../helpers/app.ts'
import { type Scope, startStack, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { LARGE_BYTES, largeBinary, sha256 } from './support.ts'

// https://github.com/yjs/y-websocket with its own server. All who edit a document must meet on one pod: the room is the routing
// key.

interface Peer {
  readonly doc: Y.Doc
  readonly provider: WebsocketProvider
}

async function startYjs(
  t: Scope,
  pods: number,
): Promise<{ apps: App[]; url: string; ownerOf: (room: string) => number }> {
  const apps = await Promise.all(
    Array.from({ length: pods }, () =>
      startApp(t, { onConnection: (socket, request) => setupWSConnection(socket, request) }),
    ),
  )
  // The server keeps documents for ever, each with a timer.
  t.teardown(() => {
    for (const doc of docs.values()) doc.destroy()
    docs.clear()
  })
  const { balancer, ownerOf } = await startStack(t, apps, { balancer: { ROUTING_KEY: 'path:^/([^/?]+)' } })
  return { apps, ownerOf, url: `ws://127.0.0.1:${balancer.port}` }
}

async function join(t: Scope, url: string, room: string): Promise<Peer> {
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(url, room, doc, {
    WebSocketPolyfill: WebSocket as unknown as typeof globalThis.WebSocket,
    // Else peers in one process would talk to each other directly.
    disableBc: true,
    maxBackoffTime: 100,
  })
  t.teardown(() => {
    provider.destroy()
    doc.destroy()
  })
  await waitFor(() => provider.synced, `${room} is synced`)
  return { doc, provider }
}

t.test('edits of many reach everybody and converge, also who comes later', async t => {
  const { url } = await startYjs(t, 1)
  const peers = await Promise.all(['a', 'b', 'c'].map(() => join(t, url, 'notes')))
  for (const [n, { doc }] of peers.entries()) {
    const text = doc.getText('text')
    for (let i = 0; i < 50; i++) text.insert(text.length, `${n}:${i} `)
    doc.getMap('map').set(`peer-${n}`, { n, emoji: '🐠' })
  }
  const everybody = () => [...peers, late].map(({ doc }) => doc)
  const late = await join(t, url, 'notes')
  await waitFor(
    () =>
      everybody().every(doc => doc.getText('text').length === 3 * (10 * 4 + 40 * 5) && doc.getMap('map').size === 3),
    'all have everything',
  )
  const texts = new Set(everybody().map(doc => doc.getText('text').toString()))
  t.equal(texts.size, 1, 'and all the same')
  t.strictSame(late.doc.getMap('map').toJSON()['peer-2'], { n: 2, emoji: '🐠' })
})

t.test('8 MiB of binary in a document', async t => {
  const { url } = await startYjs(t, 1)
  const sent = largeBinary()
  const alice = await join(t, url, 'files')
  alice.doc.getMap('files').set('one', new Uint8Array(sent))
  const bob = await join(t, url, 'files')
  const received = () => bob.doc.getMap<Uint8Array>('files').get('one')
  await waitFor(() => received() !== undefined, 'it has come')
  t.equal(received()?.length, LARGE_BYTES)
  t.equal(sha256(received() ?? Buffer.of()), sha256(sent))
})

t.test('who is there is known to the others, and who leaves is missed', async t => {
  const { url } = await startYjs(t, 1)
  const alice = await join(t, url, 'room')
  const bob = await join(t, url, 'room')
  alice.provider.awareness.setLocalStateField('user', { name: 'alice', cursor: 3 })
  const seen = () => bob.provider.awareness.getStates().get(alice.doc.clientID) as { user?: unknown } | undefined
  await waitFor(() => seen()?.user !== undefined, 'alice is there')
  t.strictSame(seen()?.user, { name: 'alice', cursor: 3 })
  // Abruptly: the server has to see that the connection is gone.
  ;(alice.provider.ws as unknown as WebSocket).terminate()
  alice.provider.shouldConnect = false
  await waitFor(() => seen() === undefined, 'alice is gone')
  t.equal(bob.provider.wsconnected, true)
})

t.test('rooms are on several pods, each room on one; edits made while away arrive afterwards', async t => {
  const { apps, url, ownerOf } = await startYjs(t, 2)
  const expected = [0, 1].map(pod => ['a', 'b'].map(prefix => userOn(ownerOf, pod, prefix)))
  const pairs = await Promise.all(
    expected.flat().map(async room => [await join(t, url, room), await join(t, url, room)] as const),
  )
  const rooms = apps.map(app => [...new Set(app.handshakes.map(({ url }) => url?.slice(1)))].sort())
  t.strictSame(
    rooms,
    expected.map(names => names.sort()),
  )

  const [alice, bob] = pairs[0] as readonly [Peer, Peer]
  const status: string[] = []
  alice.provider.on('status', event => status.push(event.status))
  for (const app of apps) for (const socket of app.server.clients) socket.close(1012, 'service restart')
  await waitFor(() => status.includes('disconnected'), 'alice is away')
  alice.doc.getText('text').insert(0, 'written while away')
  await waitFor(() => bob.doc.getText('text').toString() === 'written while away', 'it has come after all')
  t.equal(status.at(-1), 'connected')
})
