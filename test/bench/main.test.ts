import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { processTree } from '../../bench/machine/proc.ts'
import { waitFor } from '../helpers/wait.ts'

const MAIN = new URL('../../bench/main.ts', import.meta.url).pathname
const skip = process.platform === 'linux' ? false : 'the benchmark needs Linux'

function start(t: { teardown(action: () => unknown): void }, ...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGTERM'))
  const output = { stdout: '', stderr: '' }
  child.stdout.on('data', chunk => {
    output.stdout += chunk
  })
  child.stderr.on('data', chunk => {
    output.stderr += chunk
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  return { pid: child.pid as number, child, output, ended }
}

t.test('a quick run measures, and finds nothing wrong', { skip }, async t => {
  const { output, ended } = start(t, '--quick', '--only', 'echo-1x128', '--peers', 'direct,ours')
  t.equal(await ended, 0, output.stderr)
  const row = output.stdout.split('\n').find(line => line.startsWith('| our balancer |')) ?? ''
  const cells = row.split('|').map(cell => cell.trim())
  t.match(cells[2], /^[0-9,]+ \([0-9,]+ to [0-9,]+\)$/, 'messages per CPU-second')
  t.equal(cells.at(-2), '0', 'nothing was lost, doubled, reordered or corrupt')
  t.match(output.stdout, /^\| direct \|/m)
  t.match(output.stderr, /docs\/performance.md stays as it is: the run was quick/)
})

t.test('a signal ends everything that was started', { skip }, async t => {
  const { pid, child, output, ended } = start(t, '--only', 'echo-1x128', '--peers', 'ours')
  // Two apps, the balancer and the load generator.
  await waitFor(() => processTree(pid).length >= 5, 'everything runs', 30_000)
  const pids = processTree(pid)
  child.kill('SIGINT')
  t.equal(await ended, 130, output.stderr)
  const alive = () =>
    pids.filter(member => {
      try {
        return process.kill(member, 0)
      } catch {
        return false
      }
    })
  // Whatever bundled the programs ends by itself when nobody needs it any more.
  await waitFor(() => alive().length === 0, 'nothing runs any more')
  t.same(alive(), [])
})

t.test('bad arguments are refused with the help', async t => {
  const { output, ended } = start(t, '--peers', 'envoy')
  t.equal(await ended, 2)
  t.match(output.stderr, /--peers envoy: expected some of/)
  t.match(output.stderr, /--repetitions N/)
})
