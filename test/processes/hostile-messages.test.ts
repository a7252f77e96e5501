import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import { startApp } from '../helpers/app.ts'
import { type Client, connect } from '../helpers/client.ts'
import { type ProgramProcess, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'

const MIB = 1 << 20

// As in the image: a larger young generation takes tens of MiB before anything of it is collected.
process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} --max-semi-space-size=4`

/** What the memory of a sidecar may grow by; a parser took 250 MiB for one of the messages below. */
const MAX_GROWTH_MIB = 64

/** Memory of a process in MiB: now, or the most that it had. */
function memory({ child }: ProgramProcess, what: 'VmRSS' | 'VmHWM'): number {
  const [, kib] = new RegExp(`${what}:\\s+(\\d+)`).exec(readFileSync(`/proc/${child.pid}/status`, 'utf8')) ?? []
  return Number(kib) / 1024
}

async function metric({ adminPort }: ProgramProcess, line: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  return Number(
    text
      .split('\n')
      .find(candidate => candidate.startsWith(`ws_operator_${line} `))
      ?.split(' ')[1] ?? 0,
  )
}

async function start(t: Test, env: Record<string, string | number> = {}) {
  const app = await startApp(t, {
    onConnection: (socket, _request, app) => socket.on('message', () => app.received.splice(0)),
  })
  const settings = { APP_PORT: app.port, SELF: '127.0.0.1:1', MEMBERS: '127.0.0.1:1', LOG_LEVEL: 'info' }
  const sidecar = await startProgram(t, 'sidecar', { ...settings, ...env })
  await connect(t, sidecar.port, { user: 'first' })
  return { app, sidecar, before: memory(sidecar, 'VmRSS') }
}

const checkGrowth = (t: Test, sidecar: ProgramProcess, before: number, what: string) => {
  const most = memory(sidecar, 'VmHWM')
  t.ok(most < before + MAX_GROWTH_MIB, `${what}: at most ${Math.round(most)} MiB, ${Math.round(before)} before`)
}

/** Sends a message and waits until the sidecar has gone through it: what follows it is routed. */
async function through(sidecar: ProgramProcess, client: Client, text: string): Promise<void> {
  const routed = () => metric(sidecar, 'messages_routed_total{outcome="offline"}')
  const before = await routed()
  client.send(text)
  client.send('{"recipientId":"nobody at all"}')
  await waitFor(async () => (await routed()) > before, 'it has gone through the message', 60_000)
}

const onLinux = process.platform === 'linux' ? {} : { skip: 'reads /proc' }

t.test('messages that cost a parser a gigabyte cost a sidecar nothing', onLinux, async t => {
  const { sidecar, before } = await start(t, { RECIPIENT_WAIT_MS: 0 })
  const client = await connect(t, sidecar.port, { user: 'mallory' })
  const to = (rest: string) => `{"recipientId":"mallory",${rest}`
  // Each as large as is looked at, or larger, which passes.
  const texts = {
    objects: to(`"a":[${'{},'.repeat(340_000)}{}]}`),
    moreObjects: to(`"a":[${'{},'.repeat(1_400_000)}{}]}`),
    nesting: to(`"a":${'['.repeat(500_000)}${']'.repeat(500_000)}}`),
    digits: to(`"a":${'1'.repeat(1_000_000)}}`),
    names: to(`${Array.from({ length: 90_000 }, (_, n) => `"k${n}":1`).join()}}`),
    moreNames: to(`${Array.from({ length: 1_200_000 }, (_, n) => `"k${n}":1`).join()}}`),
    escapes: to(`"a":"${'\\u0041'.repeat(170_000)}"}`),
    fields: to(`${'"recipientId":"mallory",'.repeat(40_000)}"a":1}`),
  }
  for (const [name, text] of Object.entries(texts)) {
    for (let n = 0; n < 3; n++) await through(sidecar, client, text)
    checkGrowth(t, sidecar, before, name)
  }
})

t.test('many clients with many one-byte fragments cost what their bytes cost', onLinux, async t => {
  const { sidecar, before } = await start(t)
  const clients = await Promise.all(Array.from({ length: 300 }, (_, n) => connect(t, sidecar.port, { user: `u${n}` })))
  const idle = memory(sidecar, 'VmRSS')
  for (const { socket } of clients) {
    socket.send('{', { fin: false })
    for (let n = 0; n < 499; n++) socket.send(' ', { fin: false })
  }
  await waitFor(
    async () => (await metric(sidecar, 'buffered_message_bytes')) > clients.length * 3500,
    'all are held',
    60_000,
  )
  const counted = (await metric(sidecar, 'buffered_message_bytes')) / MIB
  t.ok(counted < 300 * 0.012, `${counted.toFixed(1)} MiB are counted`)
  checkGrowth(t, sidecar, Math.max(before, idle), 'fragments')
})

t.test('a frame that is large by its header is not held, however slowly it comes', onLinux, async t => {
  const { sidecar, before } = await start(t)
  const clients = await Promise.all(Array.from({ length: 26 }, (_, n) => connect(t, sidecar.port, { user: `u${n}` })))
  for (const { socket } of clients) {
    const { _socket: raw } = socket as unknown as { _socket: import('node:net').Socket }
    const frame = Buffer.alloc(14 + MIB, ' ')
    Buffer.from([0x81, 0xff, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]).copy(frame)
    frame[14] = 0x7b
    raw.write(frame)
  }
  await waitFor(
    async () => (await metric(sidecar, 'messages_unparsed_total{reason="too_large"}')) === clients.length,
    'all have begun',
  )
  t.equal(await metric(sidecar, 'buffered_message_bytes'), 0)
  const other = await connect(t, sidecar.port, { user: 'other' })
  await through(sidecar, other, '{}')
  checkGrowth(t, sidecar, before, 'drips')
})
