import t, { type Test } from 'tap'
import { startApp } from '../helpers/app.ts'
import { type Client, connect, refusal } from '../helpers/client.ts'
import { type ProgramProcess, startProgram } from '../helpers/process.ts'
import { waitFor } from '../helpers/wait.ts'
import { echoes } from '../helpers/workers.ts'

/** 256 are kept for other things than connections, of which each takes two. */
const OPEN_FILES = 300
const CONNECTIONS = 22

async function metric({ adminPort }: ProgramProcess, name: string): Promise<number> {
  const metrics = await (await fetch(`http://127.0.0.1:${adminPort}/metrics`)).text()
  return Number(
    metrics
      .split('\n')
      .find(line => line.startsWith(`ws_operator_${name}`))
      ?.split(' ')[1],
  )
}

async function fill(t: Test, { port }: ProgramProcess): Promise<[Client, ...Client[]]> {
  const first = await connect(t, port, { user: 'user-0' })
  const clients: [Client, ...Client[]] = [first]
  while (clients.length < CONNECTIONS) clients.push(await connect(t, port, { user: `user-${clients.length}` }))
  return clients
}

t.test(
  'as many connections as the open files allow; the next ones are refused and counted, and hurt nobody',
  async t => {
    const app = await startApp(t)
    const settings = { MEMBERS: `127.0.0.1:${app.port}`, WORKERS: 1 }
    const program = await startProgram(t, 'balancer', settings, undefined, OPEN_FILES)
    const clients = await fill(t, program)
    for (let n = 1; n <= 100; n++) {
      const { status, headers, body } = await refusal(t, program.port, { user: 'late' })
      t.match({ status, body, retry: headers['retry-after'] }, { status: 503, body: /WSO_ERR_FULL/, retry: '1' })
    }
    t.equal(await metric(program, 'rejected_total{reason="full"'), 100)
    await Promise.all(clients.map(client => echoes(client, 'still there')))
    clients[0].socket.close()
    await clients[0].closed
    await waitFor(async () => (await metric(program, 'connections')) < CONNECTIONS, 'the place is free')
    await echoes(await connect(t, program.port, { user: 'late' }), 'here now')
  },
)

t.test('a setting cannot promise more than the open files allow', async t => {
  const app = await startApp(t)
  const settings = { MEMBERS: `127.0.0.1:${app.port}`, WORKERS: 1, MAX_CONNECTIONS: 1000 }
  const program = await startProgram(t, 'balancer', settings, undefined, OPEN_FILES)
  await fill(t, program)
  t.match(await refusal(t, program.port, { user: 'late' }), { status: 503, body: /WSO_ERR_FULL/ })
})
