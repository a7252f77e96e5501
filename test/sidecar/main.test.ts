import { fileURLToPath } from 'node:url'
import t from 'tap'
import { command } from '../helpers/process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = `${root}/sidecar/main.ts`

t.test('the sub-command asks the sidecar of this pod for a hand-over, and starts none', async t => {
  const { code, stdout } = await command(t, [MAIN, 'drain'], { ADMIN_HOST: '127.0.0.1', ADMIN_PORT: 1 })
  t.equal(code, 0)
  t.match(stdout, /^nothing was handed over: 127.0.0.1:1: /)
})

t.test('without the sub-command it is the program', async t => {
  const { code, stdout } = await command(t, [MAIN, '--help'])
  t.equal(code, 0)
  t.match(stdout, /^sidecar: takes WebSockets/)
})

t.test('a test that imports it starts nothing', async t => {
  t.strictSame(await command(t, ['-e', `import(${JSON.stringify(MAIN)})`], { SELF: '' }), {
    code: 0,
    stdout: '',
    stderr: '',
  })
})
