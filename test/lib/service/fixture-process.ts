import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import { waitFor } from '../../helpers/wait.ts'

interface LogLine {
  level: string
  msg: string
  address?: AddressInfo
  admin?: AddressInfo
  [field: string]: unknown
}

export interface Running {
  readonly child: ChildProcessWithoutNullStreams
  readonly stdout: () => string
  readonly stderr: () => string
  readonly lines: () => LogLine[]
  /** The first line with this message, as soon as it is there. */
  logged(message: string | RegExp): Promise<LogLine>
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string>
}

/** Starts the fixture program as a process of its own. */
export function run(t: Test, settings: Record<string, string> = {}, args: string[] = []): Running {
  const variables = Object.entries({
    NEEDED: 'yes',
    HOST: '127.0.0.1',
    PORT: '0',
    ADMIN_HOST: '127.0.0.1',
    ADMIN_PORT: '0',
    SHUTDOWN_SECONDS: '20',
    ...settings,
  }).map(([name, value]) => [`WS_OPERATOR_${name}`, value])
  const env = { ...process.env, ...Object.fromEntries(variables) }
  const child = spawn(process.execPath, [join(import.meta.dirname, 'fixture-program.ts'), ...args], { env })
  t.teardown(() => child.kill('SIGKILL'))
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', text => (stdout += text))
  child.stderr.setEncoding('utf8').on('data', text => (stderr += text))
  const lines = () =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as LogLine)
  const find = (message: string | RegExp) =>
    lines().find(({ msg }) => (typeof message === 'string' ? msg === message : message.test(msg)))
  return {
    child,
    lines,
    stdout: () => stdout,
    stderr: () => stderr,
    logged: async message => {
      await waitFor(() => find(message) !== undefined, `the log line ${message}; standard error: ${stderr}`, 30_000)
      return find(message) as LogLine
    },
    ended: once(child, 'close').then(([code, signal]) => code ?? signal),
  }
}

export async function get(address: AddressInfo | undefined, path: string, method = 'GET') {
  const response = await fetch(`http://127.0.0.1:${address?.port}${path}`, { method })
  return { status: response.status, body: await response.text() }
}
