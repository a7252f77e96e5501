import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { type Scope, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { largeBinary, sha256 } from './support.ts'

// https://github.com/python-websockets/websockets, as the client and as the app.

const VERSION = '17.4'
const cache = join(import.meta.dirname, '../../node_modules/.cache')
const library = join(cache, `python-websockets-${VERSION}`)
const INSTALL_MS = 60_000

t.setTimeout(INSTALL_MS + 60_000)

/** Gets the library into node_modules/.cache. Returns why not, where it cannot be had. */
function ensureLibrary(): string | false {
  if (spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 11))']).status !== 0)
    return 'no python3 of version 3.11 or later is on the PATH'
  if (existsSync(library)) return false
  mkdirSync(cache, { recursive: true })
  // Into a folder of its own first: whoever else installs at the same time sees all of it or nothing.
  const folder = mkdtempSync(join(cache, 'python-'))
  const args = [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--no-color',
    '--no-deps',
    '--target',
    folder,
    `websockets==${VERSION}`,
  ]
  const { status, stderr, error } = spawnSync('python3', args, { encoding: 'utf8', timeout: INSTALL_MS })
  if (status === 0) {
    try {
      renameSync(folder, library)
    } catch (failed) {
      if (!existsSync(library)) throw failed
    }
  }
  rmSync(folder, { recursive: true, force: true })
  const why = error?.message ?? stderr.split('\n').findLast(line => line.startsWith('ERROR')) ?? stderr.trim()
  return status === 0 ? false : `pip cannot get websockets ${VERSION}: ${why}`
}

interface Said {
  readonly event: string
  readonly [detail: string]: unknown
}

/** Starts websockets_peer.py; what it says is kept. */
function startPeer(t: Scope, args: string[]) {
  const child = spawn('python3', [join(import.meta.dirname, 'websockets_peer.py'), ...args], {
    env: { ...process.env, PYTHONPATH: library, PYTHONDONTWRITEBYTECODE: '1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(child, 'close').then(([code]) => code as number | null)
  t.teardown(() => {
    child.kill('SIGKILL')
    return exited
  })
  const said: Said[] = []
  createInterface(child.stdout).on('line', line => said.push(JSON.parse(line) as Said))
  const all = (event: string) => said.filter(entry => entry.event === event)
  return {
    exited,
    all,
    async first(event: string): Promise<Said> {
      await waitFor(() => all(event).length > 0, `Python says ${event}`)
      return all(event)[0] as Said
    },
    end: () => child.stdin.end(),
  }
}

const skip = ensureLibrary()

t.test('Python as the client', { skip }, async t => {
  const closes: string[] = []
  const pings: string[] = []
  const app = await startApp(t, {
    options: {
      maxPayload: 2 ** 24,
      handleProtocols: offered => (offered.has('v1.chat') ? 'v1.chat' : false),
      verifyClient: ({ req }, answer) => answer(req.url !== '/refuse', 403, 'no thanks'),
    },
    onConnection(socket) {
      socket.on('close', (code, reason) => closes.push(`${code} ${reason}`))
      socket.on('ping', data => pings.push(data.toString('latin1')))
      socket.on('message', (data: Buffer, binary: boolean) => {
        const text = binary ? '' : data.toString()
        const [, code, reason] = /^close (\d+) (.*)$/.exec(text) ?? []
        if (code) socket.close(Number(code), reason)
        else if (text === 'terminate') socket.terminate()
        else if (text === 'fragments, please')
          for (const [n, part] of ['a', '', 'ü', '🐠'].entries()) socket.send(part, { fin: n === 3 })
        else if (text === 'wait for pings') {
          const before = pings.length
          waitFor(() => pings.length >= before + 3, 'three pings').then(
            () => socket.send('enough'),
            () => socket.terminate(),
          )
        } else socket.send(data, { binary })
      })
    },
  })
  const { balancer } = await startStack(t, [app])
  const python = startPeer(t, ['client', `ws://127.0.0.1:${balancer.port}/`])
  t.equal(await python.exited, 0)
  t.match(await python.first('open'), { subprotocol: 'v1.chat', extensions: [] }, 'chosen by the app, no compression')
  t.match(await python.first('text'), { same: true })
  for (const event of ['binary', 'fragments']) {
    const { sent, received } = await python.first(event)
    t.equal(received, sent, `8 MiB: ${event}`)
    t.ok(sent)
  }
  t.match(await python.first('streaming'), { pieces: 4, text: 'aü🐠' }, 'fragments stay what they were')
  t.ok(pings.includes('an own payload'))
  t.equal(python.all('pong').length, 1)
  const { answer, latency } = await python.first('keepalive')
  t.equal(answer, 'enough')
  t.ok((latency as number) > 0, 'its keepalive has seen pongs')
  t.equal(closes[0], '4000 bye from Python')
  t.strictSame(
    python.all('closed').map(({ received }) => received),
    [{ code: 4001, reason: 'tschüß' }, { code: 1000, reason: '' }, null],
  )
  t.match(await python.first('refused'), { status: 403, body: 'no thanks' })
})

t.test('Python as the app', { skip }, async t => {
  const python = startPeer(t, ['app'])
  const { port, digest } = await python.first('listening')
  const { balancer } = await startStack(t, [{ port: port as number }])
  const client = await connect(t, balancer.port, {
    user: 'alice',
    path: '/rooms/1?a=b',
    protocols: ['v1.chat', 'v2.chat'],
    perMessageDeflate: true,
  })
  t.equal(client.socket.protocol, 'v2.chat')
  t.equal(client.socket.extensions, '')
  t.match(await python.first('handshake'), { path: '/rooms/1?a=b', user: 'alice' })
  let pings = 0
  client.socket.on('ping', () => pings++)
  const sent = largeBinary()
  client.send('héllo 🐠')
  client.send(sent)
  client.socket.send('in ', { fin: false })
  client.socket.ping()
  client.socket.send('two', { fin: true })
  client.send('fragments')
  await client.received(4)
  t.equal(client.texts[0], 'héllo 🐠')
  t.equal(sha256(client.messages[1]?.data ?? Buffer.of()), sha256(sent))
  t.equal(client.texts[1], 'in two')
  t.equal(sha256(client.messages[3]?.data ?? Buffer.of()), digest, '8 MiB in fragments')
  await waitFor(() => pings >= 3, "pings of the app's keepalive")
  client.send('close')
  t.strictSame(await client.closed, { code: 4002, reason: 'genug' })

  const second = await connect(t, balancer.port, { user: 'bob', protocols: ['v2.chat'] })
  second.socket.close(4003, 'ciao')
  const third = await connect(t, balancer.port, { user: 'bob', protocols: ['v2.chat'] })
  third.socket.terminate()
  await waitFor(() => python.all('closed').length === 3, 'three have ended')
  t.strictSame(
    python
      .all('closed')
      .map(({ code, reason }) => `${code} ${reason}`)
      .sort(),
    ['1006 ', '4002 genug', '4003 ciao'],
  )
  const refused = await refusal(t, balancer.port, { user: 'bob', path: '/refuse' })
  t.match(refused, { status: 403, body: 'not from Python\n' })
  python.end()
  t.equal(await python.exited, 0)
})
