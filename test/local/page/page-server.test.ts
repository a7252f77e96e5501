import t, { type Test } from 'tap'
import type { Demo, DemoListener } from '../../../local/demo.ts'
import { buildPageServer } from '../../../local/page/page-server.ts'
import { Traffic } from '../../../local/scenario/traffic.ts'

/** A demo of which only the page's part is there. */
async function start(t: Test, busy?: string) {
  const did: string[] = []
  const listeners = new Set<DemoListener>()
  const pod = { name: 'chat-abcde', facts: { ip: '127.0.0.11' }, state: 'ready', member: '127.0.0.11:3000' }
  const chat = {
    busy,
    replicas: 3,
    pods: [pod],
    ready: [pod],
    scale: async (count: number) => void did.push(`scale ${count}`),
    restart: async () => void did.push('restart'),
    kill: async (name: string) => {
      did.push(`kill ${name}`)
      throw new Error(`no pod ${name} runs`)
    },
  }
  const demo = {
    chat,
    balancer: undefined,
    url: 'ws://127.0.0.1:8080',
    members: ['127.0.0.11:3000'],
    traffic: new Traffic(),
    podOf: () => pod,
    listen(listener: DemoListener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const app = await buildPageServer(demo as unknown as Demo, ['Alice', 'Bob'])
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  return { app, url, did, listeners }
}

t.test('the page and its parts, with a policy that allows nothing from elsewhere', async t => {
  const { url } = await start(t)
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/app.js', 'text/javascript'],
    ['/style.css', 'text/css'],
    ['/icon.svg', 'image/svg+xml'],
  ] as const) {
    const response = await fetch(url + path)
    t.equal(response.status, 200, path)
    t.match(response.headers.get('content-type'), type)
    t.match(response.headers.get('content-security-policy'), /default-src 'none'.*frame-ancestors 'none'/)
  }
  t.equal((await fetch(`${url}/../main.ts`)).status, 404)
})

t.test('buttons', async t => {
  const { url, did } = await start(t)
  for (const path of ['scale-up', 'scale-down', 'restart', 'pods/chat-abcde/kill']) {
    t.equal((await fetch(`${url}/${path}`, { method: 'POST' })).status, 202, path)
  }
  t.strictSame(did, ['scale 4', 'scale 2', 'restart', 'kill chat-abcde'])
})

t.test('a button that cannot be pressed now says why', async t => {
  const { url, did } = await start(t, 'all pods are being restarted')
  const response = await fetch(`${url}/scale-up`, { method: 'POST' })
  t.equal(response.status, 409)
  t.strictSame(await response.json(), { message: 'all pods are being restarted' })
  t.strictSame(did, [])
})

t.test('other sites cannot press buttons', async t => {
  const { app, url, did } = await start(t)
  const { host } = new URL(url)
  const status = async (headers: Record<string, string>) =>
    (await app.inject({ method: 'POST', url: '/scale-up', headers })).statusCode
  t.equal(await status({ host, origin: 'http://evil.example' }), 403)
  t.equal(await status({ host: 'evil.example' }), 403)
  t.equal(await status({ host, origin: `http://${host}` }), 202)
  t.equal(await status({ host: 'localhost:3100' }), 202)
  t.equal(did.length, 2)
})

t.test('the stream begins with all there is, then tells what happens', async t => {
  const { url, listeners } = await start(t)
  const response = await fetch(`${url}/events`)
  t.match(response.headers.get('content-type'), 'text/event-stream')
  const reader = (response.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const untilText = async (wanted: string) => {
    while (!text.includes(wanted)) text += (await reader.read()).value ?? ''
  }
  await untilText('event: lines')
  t.match(text, '"chatters":["Alice","Bob"]')
  await untilText('1 pods are ready')
  for (const listener of listeners) listener.traffic({ kind: 'connected', user: 'Alice', pod: 'chat-abcde' })
  await untilText('Alice is connected to chat-abcde')
  for (const listener of listeners) {
    const who = { from: 'Alice', to: 'Bob', fromPod: 'p', toPod: 'q' }
    listener.traffic({ kind: 'routed', ...who, outcome: 'delivered' })
    listener.changed()
  }
  await untilText('event: message')
  text = ''
  await untilText('event: state')
  t.pass('the state comes again')
  await reader.cancel()
})
