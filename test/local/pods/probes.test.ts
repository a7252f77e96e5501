import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import type { Container } from 'kubernetes-types/core/v1.d.ts'
import t, { type Test } from 'tap'
import { passes } from '../../../local/pods/probes.ts'

const HOST = '127.0.0.1'
const container: Container = { name: 'app', ports: [{ name: 'http', containerPort: 8080 }] }

/** An app that answers each path with its number, and where its port is on this machine. */
async function start(t: Test) {
  const asked: string[] = []
  const server = createServer(({ url = '' }, response) => {
    asked.push(url)
    response.writeHead(Number(url.slice(1)) || 200).end('body')
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  const { port } = server.address() as AddressInfo
  const ask = (httpGet: { path?: string; port: number | string }, of = container) =>
    passes({ httpGet }, of, HOST, wanted => (wanted === 8080 ? port : 1))
  return { ask, asked }
}

t.test('a probe passes where its path answers with success', async t => {
  const { ask, asked } = await start(t)
  for (const [path, passed] of [
    ['/200', true],
    ['/204', true],
    ['/404', false],
    ['/503', false],
  ] as const) {
    t.equal(await ask({ path, port: 8080 }), passed, path)
  }
  t.equal(await ask({ port: 8080 }), true)
  t.equal(asked.at(-1), '/', 'the path may be left out')
})

t.test('a port is found by its name, at its place on this machine', async t => {
  const { ask, asked } = await start(t)
  t.equal(await ask({ path: '/200', port: 'http' }), true)
  t.equal(await ask({ path: '/200', port: 'other' }), false, 'no port has this name')
  t.equal(await ask({ path: '/200', port: 'http' }, { name: 'app' }), false, 'no port has a name')
  t.strictSame(asked, ['/200'])
})

t.test('where nothing listens, or nothing answers, it does not pass', async t => {
  const { ask } = await start(t)
  t.equal(await ask({ port: 9999 }), false)
  const silent = createTcpServer(socket => socket.on('error', () => {}))
  silent.listen(0, HOST)
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const { port } = silent.address() as AddressInfo
  t.equal(await passes({ httpGet: { port: 1 }, timeoutSeconds: 1 }, container, HOST, () => port), false)
})

t.test('a container without such a probe passes', async t => {
  for (const probe of [undefined, {}, { exec: { command: ['false'] } }])
    t.equal(await passes(probe, container, HOST, port => port), true)
})
