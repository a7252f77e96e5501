import { fileURLToPath } from 'node:url'
import t from 'tap'
import { command, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'

const MAIN = fileURLToPath(new URL('../../balancer/main.ts', import.meta.url))

t.setTimeout(180_000)

t.test('--help says what the balancer is for, and lists its settings', async t => {
  const { code, stdout } = await command(t, [MAIN, '--help'])
  t.equal(code, 0)
  t.match(stdout, /^balancer: takes WebSocket clients/)
  t.match(stdout, /^ {2}WS_OPERATOR_REHOME \(/m)
  t.notMatch(stdout, 'WS_OPERATOR_APP_PORT', 'and none of a sidecar')
})

t.test('a configuration that cannot be used: every problem, exit code 2', async t => {
  const { code, stderr } = await command(t, [MAIN], { WORKERS: 'many', REHOME: 'maybe' })
  t.equal(code, 2)
  t.match(stderr, /^balancer: the configuration cannot be used:\n/)
  for (const name of ['WORKERS', 'REHOME']) t.match(stderr, `\n  WS_OPERATOR_${name} `)
})

t.test('it runs as many workers as it is told to', async t => {
  const { logs } = await startProgram(t, 'balancer', { MEMBERS: '127.0.0.1:1', WORKERS: 2 })
  const workers = () => new Set(logs.filter(({ msg }) => msg === 'worker listening').map(({ pid }) => pid))
  await waitFor(() => workers().size === 2, 'both listen')
})

t.test('a test that imports it starts nothing', async t => {
  t.strictSame(await command(t, ['-e', `import(${JSON.stringify(MAIN)})`]), { code: 0, stdout: '', stderr: '' })
})
