import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { BLOCKS, UNWRITABLE } from '../helpers/full-pipe.ts'
import { freePort } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { echoes } from '../helpers/workers.ts'

// A process that cannot write its log serves as ever, and ends when it is told to.

const root = fileURLToPath(new URL('../..', import.meta.url))

const programs = {
  hooks: () => ({ IMAGE: 'registry.example/ws-operator:1.0.0' }),
  sidecar: (app: number) => ({ APP_PORT: app, SELF: '127.0.0.1:3000', MEMBERS: '127.0.0.1:3000' }),
  'balancer with workers': (app: number) => ({ MEMBERS: `127.0.0.1:${app}`, WORKERS: 2 }),
}

t.setTimeout(300_000)

const answers = (port: number, path: string) =>
  fetch(`http://127.0.0.1:${port}${path}`).then(
    ({ status }) => status === 200,
    () => false,
  )

for (const [what, open] of Object.entries(UNWRITABLE)) {
  for (const [name, settings] of Object.entries(programs)) {
    // The output is the same for all; a primary and its workers share one. What could block is tried with each.
    if (what !== BLOCKS && name !== 'balancer with workers') continue
    t.test(`${name}, its log is ${what}: it serves, and SIGTERM ends it`, async t => {
      const app = await startApp(t)
      const [port, admin] = [await freePort(), await freePort()]
      const env = {
        HOST: '127.0.0.1',
        PORT: port,
        ADMIN_HOST: '127.0.0.1',
        ADMIN_PORT: admin,
        LOG_LEVEL: 'trace',
        ...settings(app.port),
      }
      const child = spawn(process.execPath, [`${root}/${name.split(' ')[0]}/main.ts`], {
        env: {
          ...process.env,
          ...Object.fromEntries(Object.entries(env).map(([key, value]) => [`WS_OPERATOR_${key}`, String(value)])),
        },
        stdio: ['ignore', open(t), 'inherit'],
      })
      const exited = once(child, 'exit')
      t.teardown(() => child.kill('SIGKILL'))
      await waitFor(() => answers(admin, '/readyz'), 'it is ready', 30_000)
      if (name !== 'hooks') await echoes(await connect(t, port, { user: 'alice' }), 'hello')
      t.ok(await answers(admin, '/healthz'))
      const metrics = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text()
      t.match(metrics, 'ws_operator_log_lines_dropped_total ')
      if (what !== BLOCKS) t.notMatch(metrics, /^ws_operator_log_lines_dropped_total 0$/m)
      child.kill('SIGTERM')
      t.strictSame(await exited, [0, null])
    })
  }
}
