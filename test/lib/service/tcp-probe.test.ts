import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import t from 'tap'
import { accepts } from '../../../lib/service/tcp-probe.ts'
import { waitFor } from '../../helpers/wait.ts'

t.test('whether a port takes connections, and it is left alone at once', async t => {
  let open = 0
  const server = createServer(socket => {
    open++
    socket.on('error', () => {}).on('close', () => open--)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const connected = once(server, 'connection')
  t.equal(await accepts('127.0.0.1', port), true)
  await connected
  await waitFor(() => open === 0, 'the connection has ended')
  server.close()
  await once(server, 'close')
  t.equal(await accepts('127.0.0.1', port), false)
})

t.test('a name that does not exist takes none', async t => {
  t.equal(await accepts('nobody.invalid', 80), false)
})
