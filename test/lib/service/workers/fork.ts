import cluster from 'node:cluster'
import { join } from 'node:path'
import type { Test } from 'tap'
import { waitFor } from '../../../helpers/wait.ts'

cluster.setupPrimary({ exec: join(import.meta.dirname, 'fixture-worker.ts'), silent: true })

/** Forks a worker of this behaviour; keeps what it logs. */
export function fork(t: Test, behaviour = '') {
  const worker = cluster.fork({ BEHAVIOUR: behaviour })
  t.teardown(() => worker.process.kill('SIGKILL'))
  let text = ''
  worker.process.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
  const lines = () =>
    text
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as Record<string, unknown>)
  /** The first line with this message, as soon as it is there. */
  const logged = async (message: string) => {
    const find = () => lines().find(({ msg }) => msg === message)
    await waitFor(() => find() !== undefined, `the log line "${message}"; so far: ${text}`, 30_000)
    return find() as Record<string, unknown>
  }
  return {
    worker,
    lines,
    logged,
    /** Tells it what to do: `ready`, `throw` or `stop`. */
    async tell(word: string) {
      worker.process.stdin?.write(`${word}\n`)
      await logged(`told: ${word}`)
    },
    exited: new Promise<number | string | null>(resolve =>
      worker.process.once('exit', (code, signal) => resolve(signal ?? code)),
    ),
  }
}
