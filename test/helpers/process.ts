import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Scope } from './stack.ts'
import { waitFor } from './wait.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** A program of ours as a process of its own. */
export interface ProgramProcess {
  readonly child: ChildProcess
  readonly port: number
  readonly adminPort: number
  /** Lines it has logged, parsed. */
  readonly logs: Record<string, unknown>[]
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

/**
 * Starts `hooks`, `sidecar` or `balancer` on free ports and waits until it listens.
 *
 * @param main what is run: the source unless told otherwise
 * @param openFiles how many files it may have open, where that is to be less than this process may
 */
export async function startProgram(
  t: Scope,
  name: 'hooks' | 'sidecar' | 'balancer',
  env: Record<string, string | number> = {},
  main = `${root}/${name}/main.ts`,
  openFiles?: number,
): Promise<ProgramProcess> {
  const settings = { HOST: '127.0.0.1', PORT: 0, ADMIN_HOST: '127.0.0.1', ADMIN_PORT: 0, LOG_LEVEL: 'debug', ...env }
  const limited = ['-c', 'ulimit -n "$0" && exec "$@"', String(openFiles), process.execPath, main]
  const [command, args] = openFiles === undefined ? [process.execPath, [main]] : ['sh', limited]
  const child = spawn(command, args, {
    env: {
      ...process.env,
      ...Object.fromEntries(Object.entries(settings).map(([key, value]) => [`WS_OPERATOR_${key}`, String(value)])),
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }))
  t.teardown(() => {
    child.kill('SIGKILL')
    return exited
  })
  const logs: Record<string, unknown>[] = []
  let rest = ''
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) logs.push(JSON.parse(line))
  })
  const listening = () =>
    logs.find(line => line['msg'] === 'listening') as { address: { port: number }; admin: { port: number } } | undefined
  await waitFor(() => listening() !== undefined || child.exitCode !== null, `${name} listens`, 30_000)
  const ports = listening()
  if (!ports) throw new Error(`${name} ended with ${child.exitCode}`)
  return { child, port: ports.address.port, adminPort: ports.admin.port, logs, exited }
}

/** Runs Node with arguments until it ends. */
export async function command(t: Scope, args: readonly string[], env: Record<string, string | number> = {}) {
  const own = Object.entries(env).map(([name, value]) => [`WS_OPERATOR_${name}`, String(value)])
  const child = spawn(process.execPath, args, { env: { ...process.env, ...Object.fromEntries(own) } })
  t.teardown(() => child.kill('SIGKILL'))
  const [stdout, stderr, [code]] = await Promise.all([
    child.stdout.toArray(),
    child.stderr.toArray(),
    once(child, 'exit'),
  ])
  return { code, stdout: stdout.join(''), stderr: stderr.join('') }
}
