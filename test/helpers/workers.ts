import { startApp } from './app.ts'
import { type Client, connect } from './client.ts'
import { type ProgramProcess, startProgram } from './process.ts'
import type { Scope } from './stack.ts'
import { waitFor } from './wait.ts'

/** A balancer with two workers before an app that echoes: to it any WebSocket server is a member. */
export async function startWorkers(t: Scope, env: Record<string, string | number> = {}, main?: string) {
  const app = await startApp(t)
  const program = await startProgram(t, 'balancer', { MEMBERS: `127.0.0.1:${app.port}`, WORKERS: 2, ...env }, main)
  // Each logs for itself, so the last line of one may come after what the other said later.
  await waitFor(() => workersOf(program).length === 2, 'both say that they listen')
  return { app, program, workers: workersOf(program) }
}

export interface Worker {
  readonly worker: number
  readonly pid: number
}

/** Workers that have listened so far, those that have ended too. */
export const workersOf = (program: ProgramProcess) =>
  program.logs.filter(({ msg }) => msg === 'worker listening') as unknown as Worker[]

/** Connects one user after the other; returns each with the worker that has it. */
export async function connectAll(t: Scope, program: ProgramProcess, users: string[]) {
  const clients: { user: string; client: Client; worker: number }[] = []
  for (const user of users) {
    const client = await connect(t, program.port, { user })
    const connected = () => program.logs.find(line => line['msg'] === 'connected' && line['user'] === user)
    await waitFor(() => connected() !== undefined, `${user} is connected`)
    clients.push({ user, client, worker: Number(connected()?.['worker']) })
  }
  return clients
}

export const users = (count: number, prefix = 'user') => Array.from({ length: count }, (_, i) => `${prefix}-${i}`)

/** Says something to an app that repeats it. */
export async function echoes(client: Client, text: string): Promise<void> {
  client.send(text)
  await waitFor(() => client.texts.includes(text), `${text} comes back`)
}
