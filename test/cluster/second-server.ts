import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { end, kubectl } from './kubectl.ts'
import { waitFor } from './wait.ts'

const PORT = 16_543

/** An API server beside the cluster's own, on the same store. */
export interface SecondServer {
  /** For kubectl's `--server`. */
  readonly url: string
  close(): Promise<void>
}

/** The command line of the cluster's API server, where that is a process of this machine whose program we may start too. */
export function ownServerCommand(): string[] | undefined {
  const state = dirname(process.env['KUBECONFIG'] ?? '')
  const [pidFile, program] = ['/run/test-cluster/kube-apiserver.pid', join(state, 'bin/kube-apiserver')]
  if (!existsSync(pidFile) || !existsSync(program)) return undefined
  const [, ...args] = readFileSync(`/proc/${readFileSync(pidFile, 'utf8').trim()}/cmdline`, 'utf8')
    .split('\0')
    .filter(Boolean)
  return [program, ...args]
}

/** Starts another one, with further flags. */
export async function startSecondServer(command: readonly string[], more: readonly string[]): Promise<SecondServer> {
  const [program = '', ...flags] = command
  // It must not announce itself to the cluster.
  const own = ['--secure-port', String(PORT), '--endpoint-reconciler-type', 'none']
  const cwd = dirname(process.env['KUBECONFIG'] ?? '')
  const server = spawn(program, [...flags, ...own, ...more], { cwd, stdio: 'ignore' })
  const close = () => end(server)
  try {
    const config = JSON.parse(await kubectl(['config', 'view', '--raw', '--minify', '-o', 'json']))
    const address = new URL(config.clusters[0].cluster.server)
    address.port = String(PORT)
    const url = address.href
    await waitFor('the second API server is ready', () => kubectl(['get', '--raw', '/readyz', '--server', url]))
    return { url, close }
  } catch (error) {
    await close()
    throw error
  }
}
