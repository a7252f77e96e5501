import { fileURLToPath } from 'node:url'
import t from 'tap'
import { command, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'

t.setTimeout(180_000)

const SOURCE = fileURLToPath(new URL('../../sidecar/serve.ts', import.meta.url))
const script = `import(${JSON.stringify(SOURCE)}).then(({ run }) => run())`

t.test('it is the sidecar: --help names its purpose, its hook and its settings', async t => {
  const { code, stdout } = await command(t, ['-e', script, '--', '--help'])
  t.equal(code, 0)
  t.match(stdout, /^sidecar: takes WebSockets for its pod's app/)
  t.match(stdout, /^ {2}drain {3}tells the sidecar of this pod/m)
  t.match(stdout, 'WS_OPERATOR_SELF (string, required)')
})

t.test('without its own name it does not start, and says so', async t => {
  const { code, stderr } = await command(t, ['-e', script], { MEMBERS: '127.0.0.1:1' })
  t.equal(code, 2)
  t.match(stderr, /^sidecar: the configuration cannot be used:\n {2}WS_OPERATOR_SELF is required/)
})

t.test('a hand-over takes no longer than DRAIN_SECONDS', async t => {
  const settings = { SELF: '127.0.0.1:3000', MEMBERS: '127.0.0.1:3000', DRAIN_SECONDS: 7 }
  const { adminPort, logs } = await startProgram(t, 'sidecar', settings)
  const answer = await fetch(`http://127.0.0.1:${adminPort}/drain`, { method: 'POST' })
  t.equal(await answer.text(), '0 of 0 connections were handed over, 0 had to be closed\n')
  await waitFor(() => logs.some(({ msg }) => msg === 'handed over'), 'the log of it')
  t.match(
    logs.find(({ msg }) => msg === 'handing over'),
    { limitMs: 7000 },
  )
})
