import { connect as dial } from 'node:net'
import t, { type Test } from 'tap'
import { startApp } from '../../helpers/app.ts'
import { connect } from '../../helpers/client.ts'
import { membersFile, startSidecar, startStack } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

/** A client library that sends the same key each time. */
async function raw(t: Test, port: number, user: string): Promise<{ received: () => string }> {
  const socket = dial(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  let received = ''
  socket.on('data', chunk => {
    received += chunk.toString('latin1')
  })
  const fields = ['Host: app', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Version: 13']
  socket.write(
    `GET /?user=${user} HTTP/1.1\r\n${fields.join('\r\n')}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
  )
  await waitFor(() => received.includes('\r\n\r\n'), 'it is accepted')
  return { received: () => received }
}

t.test('connections with the same Sec-WebSocket-Key are told apart', async t => {
  for (const balanced of [true, false]) {
    const app = await startApp(t)
    const { balancer, sidecars } = await startStack(t, [app], { sidecar: { DELIVER: 'client' } })
    const port = (balanced ? balancer : sidecars[0])?.port as number
    const devices = [await raw(t, port, 'bob'), await raw(t, port, 'bob')]
    const alice = await connect(t, port, { user: 'alice' })
    alice.send('{"recipientId":"bob","text":"to both"}')
    await waitFor(() => devices.every(({ received }) => received().includes('to both')), 'each has it')
  }
})

t.test(
  'a client says neither what its connection is called nor that it is a shadow, and the app never sees either',
  async t => {
    const app = await startApp(t)
    const headers = { 'x-ws-operator-connection': 'f'.repeat(32), 'x-ws-operator-shadow': 'true' }
    const { balancer } = await startStack(t, [app])
    await connect(t, balancer.port, { user: 'bob', headers })
    const alone = await startSidecar(t, app.port, await membersFile())
    await connect(t, alone.port, { user: 'bob', headers })
    t.equal(app.handshakes.length, 2)
    for (const handshake of app.handshakes)
      for (const name of Object.keys(headers)) t.equal(handshake.headers[name], undefined, name)
  },
)
