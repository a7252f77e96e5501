import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { chromium, type Page } from 'playwright-core'
import t from 'tap'
import { type ServerOptions, type WebSocket as ServerSocket, WebSocketServer } from 'ws'
import { type Scope, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { type HttpApp, LARGE_BYTES, largeBinary, listen, sha256 } from './support.ts'

// The WebSocket of a browser (https://websockets.spec.whatwg.org): strict, and it sends only the headers that it wants to send.

const CANDIDATES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = process.env['CHROMIUM'] ?? CANDIDATES.find(path => existsSync(path))
const skip = executablePath ? false : 'no Chromium is here: install it, or name one in CHROMIUM'
/** A browser on a busy machine takes its time. */
const TIMEOUT_MS = 45_000

t.setTimeout(180_000)

/** What the page has seen of its connection. */
interface Seen {
  /** Texts, and of binary messages `binary`, their size and their SHA-256. */
  readonly messages: string[]
  opened?: { protocol: string; extensions: string }
  error?: true
  closed?: { code: number; reason: string; wasClean: boolean }
}

interface PageGlobals {
  socket: WebSocket
  seen: Seen
}

/** An app with a page, whose cookie is the routing key, and a WebSocket at any path. */
async function startPage(
  t: Scope,
  options: ServerOptions = {},
): Promise<HttpApp & { server: WebSocketServer; balancerPort: number }> {
  const http = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html', 'Set-Cookie': 'uid=alice; Path=/; HttpOnly' })
    response.end('<!doctype html><title>interop</title>')
  })
  const server = new WebSocketServer({ server: http, ...options })
  const app = await listen(t, http)
  const { balancer } = await startStack(t, [app], { balancer: { ROUTING_KEY: 'cookie:uid' } })
  return { ...app, server, balancerPort: balancer.port }
}

/** Connects from a page; resolves when the connection is open or refused. */
async function open(page: Page, port: number, protocols: string[] = []): Promise<void> {
  // Through the chain as well, which makes page and WebSocket one origin.
  await page.goto(`http://127.0.0.1:${port}/`)
  await page.evaluate(
    ([port, protocols]) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/live?from=page`, protocols)
      const seen: Seen = { messages: [] }
      Object.assign(globalThis, { socket, seen } satisfies PageGlobals)
      socket.binaryType = 'arraybuffer'
      socket.onmessage = async ({ data }: { data: string | ArrayBuffer }) => {
        if (typeof data === 'string') {
          seen.messages.push(data)
          return
        }
        const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', data))
        const hex = Array.from(digest, byte => byte.toString(16).padStart(2, '0')).join('')
        seen.messages.push(`binary ${data.byteLength} ${hex}`)
      }
      return new Promise<void>(resolve => {
        socket.onopen = () => {
          seen.opened = { protocol: socket.protocol, extensions: socket.extensions }
          resolve()
        }
        socket.onerror = () => {
          seen.error = true
        }
        socket.onclose = ({ code, reason, wasClean }) => {
          seen.closed = { code, reason, wasClean }
          resolve()
        }
      })
    },
    [port, protocols] as const,
  )
}

/** Waits until the page has seen something. */
async function see(page: Page, what: string, ready: (seen: Seen) => boolean): Promise<Seen> {
  let seen: Seen | undefined
  await waitFor(
    async () => {
      seen = await page.evaluate(() => (globalThis as unknown as PageGlobals).seen)
      return ready(seen)
    },
    what,
    TIMEOUT_MS,
  )
  return seen as Seen
}

const send = (page: Page, text: string) =>
  page.evaluate(text => (globalThis as unknown as PageGlobals).socket.send(text), text)

const close = (page: Page, code: number, reason: string) =>
  page.evaluate(([code, reason]) => (globalThis as unknown as PageGlobals).socket.close(code, reason), [
    code,
    reason,
  ] as const)

t.test('the WebSocket of Chromium', { skip }, async t => {
  const browser = await chromium.launch({
    ...(executablePath && { executablePath }),
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: TIMEOUT_MS,
  })
  t.teardown(() => browser.close())
  const newPage = async (t: Scope) => {
    const page = await browser.newPage()
    t.teardown(() => page.close())
    return page
  }

  await t.test('texts, sub-protocol, cookie and origin; compression is offered and not agreed on', async t => {
    const app = await startPage(t, {
      perMessageDeflate: { threshold: 0 },
      handleProtocols: offered => (offered.has('v2') ? 'v2' : false),
    })
    app.server.on('connection', socket => socket.on('message', data => socket.send(data.toString())))
    const page = await newPage(t)
    await open(page, app.balancerPort, ['v1', 'v2'])
    const texts = ['', 'héllo 🐠', 'x'.repeat(125), 'y'.repeat(126), 'z'.repeat(65_536)]
    for (const text of texts) await send(page, text)
    const { opened, messages } = await see(page, 'the echoes', ({ messages }) => messages.length === texts.length)
    t.strictSame(opened, { protocol: 'v2', extensions: '' })
    t.strictSame(messages, texts)
    const request = app.handshakes[0] as IncomingMessage
    t.equal(request.url, '/live?from=page')
    t.equal(request.headers.cookie, 'uid=alice')
    t.equal(request.headers['ws-user-id'], 'alice')
    t.equal(request.headers.origin, `http://127.0.0.1:${app.balancerPort}`)
    t.equal(request.headers.host, `127.0.0.1:${app.balancerPort}`)
    t.equal(request.headers['sec-websocket-extensions'], undefined, 'Chromium offers permessage-deflate')
  })

  await t.test('8 MiB of binary: from the app in fragments with pings in between, and from the page', async t => {
    const app = await startPage(t)
    const sent = largeBinary()
    const pongs: string[] = []
    const received: string[] = []
    app.server.on('connection', socket => {
      socket.on('pong', data => pongs.push(data.toString()))
      socket.on('message', (data: Buffer) => received.push(`binary ${data.length} ${sha256(data)}`))
      for (let start = 0; start < sent.length; start += 3_000_000) {
        const end = start + 3_000_000
        socket.send(sent.subarray(start, end), { binary: true, fin: end >= sent.length })
        socket.ping(String(start))
      }
    })
    const page = await newPage(t)
    await open(page, app.balancerPort)
    const { messages } = await see(page, 'the large message', ({ messages }) => messages.length === 1)
    t.equal(messages[0], `binary ${LARGE_BYTES} ${sha256(sent)}`)
    await waitFor(() => pongs.length === 3, 'the pongs')
    t.strictSame(pongs, ['0', '3000000', '6000000'], 'which only the browser can have sent')

    const digest = await page.evaluate(async bytes => {
      const data = new Uint8Array(bytes)
      // getRandomValues fills 65,536 bytes at most.
      for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(data.subarray(at, at + 65_536))
      ;(globalThis as unknown as PageGlobals).socket.send(data)
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data))
      return Array.from(hash, byte => byte.toString(16).padStart(2, '0')).join('')
    }, LARGE_BYTES)
    await waitFor(() => received.length === 1, 'the large message of the page')
    t.equal(received[0], `binary ${LARGE_BYTES} ${digest}`)
  })

  await t.test('close codes and reasons, from either side, and an abrupt end', async t => {
    const app = await startPage(t)
    const page = await newPage(t)
    const next = async (): Promise<ServerSocket> => {
      const connected = once(app.server, 'connection')
      await open(page, app.balancerPort)
      return (await connected)[0]
    }
    const closed = async () => (await see(page, 'the end', seen => seen.closed !== undefined)).closed

    const first = await next()
    const atApp = once(first, 'close')
    await close(page, 4001, 'au revoir, ça va')
    t.strictSame((await atApp).map(String), ['4001', 'au revoir, ça va'])
    t.strictSame(await closed(), { code: 4001, reason: 'au revoir, ça va', wasClean: true })
    ;(await next()).close(1012, 'service restart')
    t.strictSame(await closed(), { code: 1012, reason: 'service restart', wasClean: true })
    ;(await next()).terminate()
    t.strictSame(await closed(), { code: 1006, reason: '', wasClean: false })

    const left = once(await next(), 'close')
    await page.goto('about:blank')
    t.equal((await left)[0], 1001, 'a page that is left says so')
  })

  await t.test('a handshake that the app refuses is an error in the page', async t => {
    const app = await startPage(t, { verifyClient: (_info, answer) => answer(false, 401, 'who are you?') })
    const page = await newPage(t)
    await open(page, app.balancerPort)
    const { opened, error, closed } = await see(page, 'the end', seen => seen.closed !== undefined)
    t.equal(opened, undefined)
    t.equal(error, true)
    t.equal(closed?.code, 1006)
    t.equal(app.handshakes.length, 1)
  })
})
