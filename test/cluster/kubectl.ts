import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** Longest time for one call of kubectl. */
const LIMIT_MS = 60_000

/** What a call of a program may be given. */
export interface RunOptions {
  readonly input?: string
  readonly limitMs?: number
  readonly env?: NodeJS.ProcessEnv
}

/**
 * Runs a program to its end.
 *
 * @returns its standard output
 * @throws with its standard error where it fails or takes longer than `limitMs`
 */
export async function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { input = '', limitMs = LIMIT_MS, env = process.env } = options
  const child = spawn(program, args, { stdio: 'pipe', env, timeout: limitMs })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', chunk => out.push(chunk))
  child.stderr.on('data', chunk => err.push(chunk))
  // A program that ends without reading its input is judged by its exit code.
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
  if (code !== 0) {
    const what = `${program} ${args.join(' ')}`
    throw new Error(
      `${what}: ${code === null ? `ended after ${limitMs} ms` : `exit code ${code}`}\n${Buffer.concat(err)}`,
    )
  }
  return Buffer.concat(out).toString()
}

/** Runs kubectl on the cluster that KUBECONFIG names. */
export function kubectl(args: readonly string[], options?: RunOptions): Promise<string> {
  return run('kubectl', args, options)
}

/** A long-running `kubectl` that serves a port on loopback: `proxy` (the API server) or `port-forward`. */
export interface Forwarder {
  /** host:port */
  readonly address: string
  close(): Promise<void>
}

/**
 * The API server on a loopback port, with the credentials of KUBECONFIG.
 *
 * @param server another one than KUBECONFIG names
 */
export function startProxy(server?: string): Promise<Forwarder> {
  const other = server === undefined ? [] : ['--server', server]
  return startForwarder(['proxy', '--port=0', ...other], /Starting to serve on (127\.0\.0\.1:\d+)/)
}

/** A port of a Service or pod on a loopback port. */
export function startPortForward(namespace: string, target: string, port: number): Promise<Forwarder> {
  return startForwarder(['port-forward', '-n', namespace, target, `:${port}`], /from (127\.0\.0\.1:\d+)/)
}

async function startForwarder(args: readonly string[], announced: RegExp): Promise<Forwarder> {
  const child = spawn('kubectl', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const close = () => end(child)
  try {
    return { address: await firstMatch(child, announced), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** Ends a process that we started, and waits until it is gone; after 5 s by force. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise(resolve => child.on('exit', resolve))
  child.kill()
  const force = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(force)
}

function firstMatch(child: ChildProcess, pattern: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const said: string[] = []
    const fail = (why: string) => reject(new Error(`kubectl ${child.spawnargs[1]} ${why}: ${said.join(' ')}`))
    const timer = setTimeout(() => fail('did not start within 15 s'), 15_000)
    child.on('exit', code => fail(`ended with ${code}`)).on('error', reject)
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue
      createInterface({ input: stream }).on('line', line => {
        said.push(line)
        const [, found] = pattern.exec(line) ?? []
        if (found === undefined) return
        clearTimeout(timer)
        resolve(found)
      })
    }
  })
}
