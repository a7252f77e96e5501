import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect as connectTcp } from 'node:net'
import t from 'tap'
import { startHttp } from '../helpers/plain.ts'
import { startProgram } from '../helpers/process.ts'
import type { Scope } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

/** An app that answers when the test says so, and a program before it. */
async function start(t: Scope, kind: 'sidecar' | 'balancer', env: Record<string, string | number>) {
  const waiting: ServerResponse[] = []
  const app = await startHttp(t, (request, response) => {
    if (request.url?.startsWith('/slow')) waiting.push(response)
    else if (request.url?.startsWith('/begun')) response.write('begin ', () => waiting.push(response))
    else response.end('fast')
  })
  const member = `127.0.0.1:${app.port}`
  const own =
    kind === 'sidecar' ? { APP_PORT: app.port, SELF: '127.0.0.1:1', MEMBERS: '127.0.0.1:1' } : { MEMBERS: member }
  const program = await startProgram(t, kind, { ...own, ...env })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const ask = async (path: string): Promise<IncomingMessage> => {
    const [answer] = await once(httpRequest({ agent, host: '127.0.0.1', port: program.port, path }).end(), 'response')
    return answer
  }
  return { waiting, program, ask }
}

const text = async (answer: IncomingMessage) => Buffer.concat(await answer.toArray()).toString()

for (const [name, kind, env] of [
  ['sidecar', 'sidecar', {}],
  ['balancer', 'balancer', { WORKERS: 1 }],
  ['balancer with workers', 'balancer', { WORKERS: 2 }],
] as const) {
  t.test(`${name}: SIGTERM waits for plain requests, and keeps no connection for more of them`, async t => {
    const { waiting, program, ask } = await start(t, kind, { ...env, SHUTDOWN_SECONDS: 60 })
    const begun = await ask('/begun')
    const slow = ask('/slow')
    await waitFor(() => waiting.length === 2, 'both are under way')
    program.child.kill('SIGTERM')
    await waitFor(() => program.logs.some(({ msg }) => msg === 'shutting down'), 'it has begun to end')
    await waitFor(() => refusesConnections(program.port), 'nobody else is let in')
    for (const response of waiting) response.end('end')
    t.equal(await text(begun), 'begin end')
    const answer = await slow
    t.equal(await text(answer), 'end')
    t.equal(answer.headers.connection, 'close')
    t.strictSame(await program.exited, { code: 0, signal: null })
  })
}

t.test('one that gets no answer does not keep it alive beyond its limit', async t => {
  const { waiting, program, ask } = await start(t, 'balancer', { WORKERS: 1, SHUTDOWN_SECONDS: 1 })
  const cut = t.rejects(ask('/slow'), { code: 'ECONNRESET' })
  await waitFor(() => waiting.length === 1, 'it is under way')
  program.child.kill('SIGTERM')
  t.strictSame(await program.exited, { code: 0, signal: null })
  await cut
  t.match(
    program.logs.find(({ msg }) => msg === 'clients that have not ended are cut off'),
    { connections: 0, requests: 1 },
  )
})

function refusesConnections(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connectTcp(port, '127.0.0.1')
    socket.once('connect', () => resolve(false)).once('error', () => resolve(true))
    socket.once('connect', () => socket.destroy())
  })
}
