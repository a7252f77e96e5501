import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer as createHttp2 } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { AppProbe } from '../../sidecar/app-probe.ts'

async function listen(t: Test, server: Server): Promise<AppProbe> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return new AppProbe('127.0.0.1', (server.address() as AddressInfo).port)
}

t.test('an app that answers anything in HTTP is ready, and is asked once', async t => {
  for (const status of [200, 404, 426, 500]) {
    const asked: string[] = []
    const server = createHttp((request, response) => {
      asked.push(`${request.method} ${request.url}`)
      response.writeHead(status).end()
    })
    const probe = await listen(t, server)
    for (let i = 0; i < 3; i++) t.equal(await probe.notReady(), undefined, `${status}`)
    t.strictSame(asked, ['HEAD /'])
    server.close()
    server.closeAllConnections()
    t.match(await probe.notReady(), /^the app does not accept connections on 127\.0\.0\.1:\d+$/)
  }
})

t.test('an app that is not there: where its port is set is named, until it was there once', async t => {
  const server = createHttp((_, response) => response.end())
  const probe = await listen(t, server)
  const { port } = server.address() as AddressInfo
  const absent = `the app does not accept connections on 127.0.0.1:${port}`
  await new Promise(closed => server.close(closed))
  t.equal(await probe.notReady(), `${absent}: if this stays, is ws.operator/app-port right?`)
  await once(server.listen(port, '127.0.0.1'), 'listening')
  t.equal(await probe.notReady(), undefined)
  server.close()
  server.closeAllConnections()
  t.equal(await probe.notReady(), absent)
})

t.test('what speaks something else is not, and says where that is set', async t => {
  const others: [string, Server, RegExp][] = [
    [
      'SSH',
      createServer(socket => socket.write('SSH-2.0-OpenSSH_9.6\r\n')),
      /does not speak HTTP: is ws\.operator\/app-port right/,
    ],
    ['HTTP/2', createHttp2() as unknown as Server, /does not speak HTTP: is ws\.operator\/app-port right/],
    [
      'TLS',
      createServer(socket => socket.on('data', () => socket.end(Buffer.from('15030100020246', 'hex')))),
      /app-port/,
    ],
    [
      'TLS that says so in HTTP',
      createServer(socket =>
        socket.on('data', () =>
          socket.end('HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'),
        ),
      ),
      /wants TLS: is ws\.operator\/app-port right/,
    ],
  ]
  for (const [name, server, says] of others) {
    const probe = await listen(t, server)
    for (let i = 0; i < 5; i++) t.match(await probe.notReady(), says, name)
  }
})

t.test('an app that says nothing unless it is asked for a WebSocket is ready, and soon left in peace', async t => {
  let connections = 0
  let bytes = 0
  const server = createServer(socket => {
    connections++
    socket.on('data', chunk => {
      bytes += chunk.length
      socket.end()
    })
  })
  const probe = await listen(t, server)
  for (let i = 0; i < 6; i++) t.equal(await probe.notReady(), undefined)
  const asked = bytes
  t.ok(asked > 0)
  t.equal(await probe.notReady(), undefined)
  t.equal(bytes, asked, 'nothing more is asked')
  t.ok(connections >= 6)
})
