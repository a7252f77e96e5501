import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { type App, startApp } from '../helpers/app.ts'
import { startBlackHole } from '../helpers/black-hole.ts'
import { type Client, connect } from '../helpers/client.ts'
import { membersFile, type Running, startSidecar } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

async function start(t: Test, env: Record<string, string | number>) {
  const app = await startApp(t, { onConnection: () => {} })
  const sidecar = await startSidecar(t, app.port, await membersFile(), env)
  return { app, sidecar, ann: await connect(t, sidecar.port, { user: 'ann' }) }
}

const texts = ({ received }: App) => received.map(({ data }) => data.toString())

/** Sends the beginning of a message, which does not end. */
async function begin({ socket }: Client, text: string, sidecar: Running) {
  socket.send(text, { fin: false })
  await waitFor(async () => (await sidecar.metric('buffered_message_bytes')) > 0, 'it is held')
}

t.test('a message that is too large or too deep passes, is counted, and its sender is told', async t => {
  const { app, sidecar, ann } = await start(t, {
    RECEIPTS: 'true',
    MAX_ADDRESSED_BYTES: 1000,
    ROUTE: 'both',
    RECIPIENT_WAIT_MS: 0,
  })
  const large = JSON.stringify({ recipientId: 'bob', id: 1, text: 'x'.repeat(1000) })
  const deep = `{"recipientId":"bob","id":2,"a":${'['.repeat(400)}${']'.repeat(400)}}`
  const deeper = `{"recipientId":"bob","a":${'['.repeat(600)}`
  for (const text of [large, '{"id":3}', deeper, deep]) ann.send(text)
  await ann.received(3)
  t.strictSame(texts(app), [large, '{"id":3}', deeper])
  t.strictSame(
    ann.texts.map(text => JSON.parse(text)),
    [
      { type: 'ws-operator/receipt', outcome: 'too_large' },
      { type: 'ws-operator/receipt', outcome: 'too_large' },
      { type: 'ws-operator/receipt', recipientId: 'bob', outcome: 'no_owner', id: 2 },
    ],
  )
  for (const socket of app.server.clients) socket.send(large)
  await ann.received(4)
  t.equal(ann.texts[3], large, 'the same from an app, which is told nothing')
  t.equal(await sidecar.metric('messages_unparsed_total', { reason: 'too_large' }), 2)
  t.equal(await sidecar.metric('messages_unparsed_total', { reason: 'too_deep' }), 1)
})

t.test('a message that does not end closes its connection with 1013 in time, whichever side began it', async t => {
  const { app, sidecar, ann } = await start(t, { SLOW_MESSAGE_SECONDS: 1, ROUTE: 'both' })
  await begin(ann, '{"recipientId":"bob","a":"', sidecar)
  t.strictSame(await ann.closed, { code: 1013, reason: 'message takes too long' })
  t.strictSame(texts(app), [], 'the app has got nothing of it')
  const bob = await connect(t, sidecar.port, { user: 'bob' })
  const [socket] = [...app.server.clients].slice(-1)
  socket?.send('{"recipientId":"ann","a":"', { fin: false })
  t.match(await bob.closed, { code: 1013 })
  await waitFor(async () => (await sidecar.metric('closed_total', { cause: 'slow_message' })) === 2, 'both are counted')
  t.equal(await sidecar.metric('buffered_message_bytes'), 0)
  t.match(
    sidecar.logs.filter(({ cause }) => cause === 'slow_message'),
    [
      { level: 'warn', user: 'ann' },
      { level: 'warn', user: 'bob' },
    ],
  )
})

t.test('a message whose sender is not read meanwhile is not slow', async t => {
  const port = await startBlackHole(t)
  const app = await startApp(t, { onConnection: () => {} })
  const members = await membersFile(`127.0.0.1:${port}`)
  const env = { SLOW_MESSAGE_SECONDS: 1, MAX_QUEUE_BYTES: 1024, DELIVER_TIMEOUT_MS: 3000, RECIPIENT_WAIT_MS: 0 }
  const sidecar = await startSidecar(t, app.port, members, env)
  await waitFor(async () => (await sidecar.metric('members')) === 1, 'the member is known')
  const ann = await connect(t, sidecar.port, { user: 'ann' })
  const { _socket: socket } = ann.socket as unknown as { _socket: Socket }
  socket.cork()
  // More than may be on its way, to a pod that does not answer; in the same read the next one begins.
  ann.send(JSON.stringify({ recipientId: 'bob', pad: 'x'.repeat(2000) }))
  ann.socket.send('{"recipientId":"ann",', { fin: false })
  socket.uncork()
  const routed = async () => {
    const counts = ['no_owner', 'timeout'].map(outcome => sidecar.metric('messages_routed_total', { outcome }))
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  }
  // Longer than a message may take.
  await waitFor(async () => (await routed()) === 1, 'the first one has waited in vain')
  ann.socket.send('"a":1}')
  await waitFor(() => app.received.length > 0, 'it is read to its end')
  t.strictSame(texts(app), ['{"recipientId":"ann","a":1}'])
  t.equal(await sidecar.metric('closed_total', { cause: 'slow_message' }), 0)
})

t.test('what finds no room is closed with 1013; small messages still find some', async t => {
  const { app, sidecar } = await start(t, { MAX_ADDRESSED_BYTES: 16_777_216, RECIPIENT_WAIT_MS: 0 })
  const pad = 'x'.repeat(9_000_000)
  const begun: Client[] = []
  let closed = 0
  for (let n = 0; n < 4; n++) {
    const client = await connect(t, sidecar.port, { user: `user-${n}` })
    void client.closed.then(({ code }) => code === 1013 && closed++)
    client.socket.send(`{"recipientId":"bob","pad":"${pad}`, { fin: false })
    begun.push(client)
    await waitFor(
      async () => closed > 0 || (await sidecar.metric('buffered_message_bytes')) > (n + 1) * pad.length,
      'it is held, or closed',
    )
    if (closed > 0) break
  }
  t.equal(closed, 1)
  await waitFor(async () => (await sidecar.metric('closed_total', { cause: 'no_room' })) === 1, 'it is counted')
  t.strictSame(texts(app), [], 'nothing of it has gone to the wrong app')
  const small = await connect(t, sidecar.port, { user: 'small' })
  small.socket.send('{"recipientId":"nobody"', { fin: false })
  small.socket.send('}')
  await waitFor(
    async () => (await sidecar.metric('messages_routed_total', { outcome: 'no_owner' })) === 1,
    'a small one in pieces is routed',
  )
  for (const { socket } of begun) socket.terminate()
  await waitFor(async () => (await sidecar.metric('buffered_message_bytes')) === 0, 'what has ended is given back')
})
