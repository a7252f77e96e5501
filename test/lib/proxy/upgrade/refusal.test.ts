import { once } from 'node:events'
import { connect as connectTcp, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { startTcp } from '../../../helpers/plain.ts'
import { startStack } from '../../../helpers/stack.ts'
import { waitFor } from '../../../helpers/wait.ts'

const HANDSHAKE =
  'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'

/** An app that refuses each handshake with an answer, and keeps its connection. No time limit may be what ends a connection here. */
async function start(t: Test, answer: string) {
  const atApp = new Set<Socket>()
  const app = await startTcp(t, socket => {
    atApp.add(socket)
    socket.on('close', () => atApp.delete(socket))
    socket.write(answer)
  })
  const env = { HANDSHAKE_TIMEOUT_MS: 600_000 }
  const { balancer } = await startStack(t, [app], { balancer: env, sidecar: env })
  const client = connectTcp({ port: balancer.port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => client.destroy())
  client.write(HANDSHAKE)
  return { client, atApp }
}

const HEAD = 'HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n'

for (const [what, answer, body] of [
  ['chunks', `${HEAD}\r\n8\r\n{"a":1}\n\r\n0\r\n\r\n`, '8\r\n{"a":1}\n\r\n0\r\n\r\n'],
  [
    'chunks with a trailer and more behind them',
    `${HEAD}\r\n2\r\nno\r\n0\r\nX: 1\r\n\r\nmore`,
    '2\r\nno\r\n0\r\nX: 1\r\n\r\n',
  ],
  ['a length', 'HTTP/1.1 401 No\r\nContent-Length: 2\r\n\r\nnomore', 'no'],
  ['no body', 'HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\nno', ''],
] as const) {
  t.test(`a refusal with ${what} ends all connections with its body`, async t => {
    const { client, atApp } = await start(t, answer)
    const received = Buffer.concat(await client.toArray()).toString()
    t.match(received, /^HTTP\/1\.1 (401|304) /)
    t.equal(received.slice(received.indexOf('\r\n\r\n') + 4), body)
    await waitFor(() => atApp.size === 0, 'the app’s connection has ended')
  })
}

t.test('a body without an end: nothing is held for a client that has left', async t => {
  for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
    const { client, atApp } = await start(t, `HTTP/1.1 401 No\r\n\r\nbegin`)
    await once(client, 'data')
    client.resume()
    client[leave]()
    await waitFor(() => atApp.size === 0, `the app’s connection has ended after ${leave}`)
  }
})
