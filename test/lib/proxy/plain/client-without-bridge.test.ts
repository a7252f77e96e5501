import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { ClientWithoutBridge } from '../../../../lib/proxy/plain/client-without-bridge.ts'

/** A client connection as the proxy sees it, from a client that does not read. */
async function start(t: Test) {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const peer = connect((server.address() as AddressInfo).port, '127.0.0.1').pause()
  peer.on('error', () => {})
  const [client] = (await once(server, 'connection')) as [Socket]
  t.teardown(() => {
    peer.destroy()
    client.destroy()
    server.close()
  })
  const order: string[] = []
  client.on('close', () => order.push('closed'))
  return { client, order, guarded: new ClientWithoutBridge(client, () => order.push('evicted')) }
}

t.test('it holds what its socket has not passed to the kernel, and restraining it changes nothing', async t => {
  const { client, guarded } = await start(t)
  t.equal(guarded.heldBytes, 0)
  while (client.write(Buffer.alloc(1_048_576)));
  t.ok(guarded.heldBytes > 0)
  t.equal(guarded.heldBytes, client.writableLength)
  guarded.restrain()
  t.equal(guarded.state, 'open')
})

t.test('only its client has a socket', async t => {
  const { client, guarded } = await start(t)
  t.equal(guarded.socket('client'), client)
  t.strictSame(guarded.socket('upstream'), { remoteAddress: undefined, remotePort: undefined })
})

t.test('eviction is told once, and closes the connection', async t => {
  const { client, guarded, order } = await start(t)
  guarded.evict()
  t.equal(guarded.state, 'closed')
  await once(client, 'close')
  t.strictSame(order, ['evicted', 'closed'])
})
