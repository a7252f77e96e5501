import { request } from 'node:http'
import { DEFAULT_ADMIN_PORT, DRAIN_PATH, ENV_PREFIX } from './names.ts'

/** Added to the longest hand-over of the program itself, in milliseconds. */
const MARGIN_MS = 2000

/**
 * The sub-command `drain`: asks the program in the same container or on the same machine to hand its users over, and
 * waits until it has. Meant as a preStop hook, so it loads few modules and never fails: the kubelet continues in any
 * case, and would only report a failure that an operator cannot act on.
 *
 * @param env the program's own environment
 * @param maxMs longest time to wait
 * @returns one line with the result
 */
export function drainCommand(env: NodeJS.ProcessEnv, maxMs: number): Promise<string> {
  const port = Number(env[`${ENV_PREFIX}ADMIN_PORT`]) || DEFAULT_ADMIN_PORT
  const wanted = env[`${ENV_PREFIX}ADMIN_HOST`] ?? ''
  const host = isWildcard(wanted) ? '127.0.0.1' : wanted
  const where = `${host}:${port}`
  return new Promise(resolve => {
    const asking = request({ host, port, path: DRAIN_PATH, method: 'POST', timeout: maxMs + MARGIN_MS }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', part => {
        text += part
      })
      response.once('close', () => resolve(`${response.statusCode}: ${text.trim()}`))
    })
    asking.once('timeout', () => asking.destroy(new Error(`no answer within ${maxMs + MARGIN_MS} ms`)))
    asking.once('error', (error: NodeJS.ErrnoException) => {
      const what = error.syscall === 'connect' ? 'nothing was handed over' : 'the hand-over did not end'
      resolve(`${what}: ${where}: ${error.message}`)
    })
    asking.end()
  })
}

const isWildcard = (host: string): boolean => host === '' || host === '0.0.0.0' || host === '::'
