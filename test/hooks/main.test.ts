import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { NODE_FLAGS } from '../../bench/machine/node-flags.ts'
import { recorded } from './helper.ts'

const main = fileURLToPath(new URL('../../hooks/main.ts', import.meta.url))
const LIMIT_MS = 60_000

function start(env: Record<string, string>) {
  const child = spawn(process.execPath, [...NODE_FLAGS, main], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: LIMIT_MS,
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** The log line that says where the process listens; bounded by the process's own time limit. */
function listening(stdout: Readable): Promise<{ address: { port: number }; admin: { port: number } }> {
  return new Promise((resolve, reject) => {
    let output = ''
    stdout.on('data', chunk => {
      output += chunk
      const line = output.split('\n').find(text => text.includes('"listening"'))
      if (line) resolve(JSON.parse(line))
    })
    stdout.on('end', () => reject(new Error(`never listened: ${output}`)))
  })
}

t.test('answers as a process, and ends when told to', async t => {
  const child = start({ WS_OPERATOR_PORT: '0', WS_OPERATOR_ADMIN_PORT: '0', WS_OPERATOR_HOST: '127.0.0.1' })
  const line = await listening(child.stdout)
  const response = await fetch(`http://127.0.0.1:${line.address.port}/decorator/sync`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(recorded('decorator-sync-first')),
  })
  t.match(await response.json(), { annotations: { 'ws.operator/status': 'Pending' } })
  const ready = await fetch(`http://127.0.0.1:${line.admin.port}/readyz`)
  t.equal(ready.status, 200)
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  t.strictSame(await exit, [0, null])
})

t.test('bad settings are named, exit code 2', async t => {
  const child = start({
    WS_OPERATOR_IMAGE_PULL_POLICY: 'Sometimes',
    WS_OPERATOR_IMAGE: 'My Image',
    WS_OPERATOR_SIDECAR_UPGRADE_PERCENT: 'prod=half',
  })
  let errors = ''
  child.stderr.on('data', chunk => {
    errors += chunk
  })
  t.strictSame(await once(child, 'close'), [2, null])
  t.match(errors, 'WS_OPERATOR_IMAGE_PULL_POLICY')
  t.match(errors, /WS_OPERATOR_IMAGE: must be an image reference such as .*"My Image"/)
  t.match(errors, /WS_OPERATOR_SIDECAR_UPGRADE_PERCENT: "prod=half" must be the name of a namespace/)
})

/** Peak memory of a process in MiB. */
const peak = (pid = 0) => Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024

const noProc = process.platform !== 'linux' && 'only Linux tells the peak memory of a process'

t.test('strangers cannot make it use more memory than its limit', { skip: noProc }, async t => {
  const child = start({ WS_OPERATOR_PORT: '0', WS_OPERATOR_ADMIN_PORT: '0', WS_OPERATOR_HOST: '127.0.0.1' })
  const { address } = await listening(child.stdout)
  const post = (body: string) =>
    fetch(`http://127.0.0.1:${address.port}/decorator/sync`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    }).then(
      response => response.status,
      () => 0,
    )
  const sizes = 4 * 1024 * 1024 - 16
  const filled = (item: string) => `[${item.repeat(Math.floor(sizes / item.length)).slice(0, -1)}]`
  const hostile = [
    '['.repeat(sizes),
    filled('{},'),
    filled('[],'),
    filled('1.5,'),
    filled('"",'),
    `{${Array.from({ length: 300_000 }, (_, i) => `"k${i}":1`).join()}}`,
    `{${Array.from({ length: 120_000 }, (_, i) => `"k${i}":{}`).join()}}`,
    `["${'é'.repeat(sizes / 2 - 8)}"]`,
    filled('{},').repeat(2),
  ]
  const answers = await Promise.all([...hostile, ...hostile].map(post))
  t.strictSame(
    [...new Set(answers)].filter(status => ![400, 413, 429, 0].includes(status)),
    [],
  )
  const answer = await fetch(`http://127.0.0.1:${address.port}/decorator/sync`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(recorded('decorator-sync-first')),
  })
  t.equal(answer.status, 200, 'it is still answered')
  // Of the 256 MiB that its container has.
  const limit = 240
  t.ok(peak(child.pid) < limit, `its peak of ${peak(child.pid).toFixed()} MiB is below ${limit}`)
  t.equal(child.exitCode, null)
})
