import { readFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'

/** Address of the API server, and the files that authenticate both sides. */
export interface KubeConfig {
  readonly host: string
  readonly port: number
  readonly tokenFile: string
  readonly caFile: string
}

/** Opens a response to read from; see {@link kubeClient}. */
export type KubeGet = (path: string, signal: AbortSignal) => Promise<IncomingMessage>

/** The API server refused a request: its HTTP status and its message. */
export class KubeError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'KubeError'
    this.status = status
  }
}

/** The connection was silent for too long; the server may be gone. */
export class IdleError extends Error {
  override readonly name = 'IdleError'
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const RESPONSE_TIMEOUT_MS = 10_000
/** The API server sends a bookmark about every minute, so a watch is never silent for longer. */
const IDLE_TIMEOUT_MS = 90_000
const KEEP_ALIVE_MS = 10_000
const MAX_REFUSAL_LENGTH = 65_536

/** @throws {Error} outside a pod */
export function inClusterConfig(env: NodeJS.ProcessEnv = process.env, folder: string = SERVICE_ACCOUNT): KubeConfig {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env
  if (!host || !port) {
    throw new Error('KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod of a cluster')
  }
  return { host, port: Number(port), tokenFile: join(folder, 'token'), caFile: join(folder, 'ca.crt') }
}

/**
 * Makes a client for GET requests to the API server. Token and CA are read for each request, because the kubelet
 * replaces the token before it expires. Resolves with the response to a 200, which must be read at once; a response
 * that is silent for too long fails with {@link IdleError}.
 */
export function kubeClient(
  config: KubeConfig,
  { idleTimeoutMs = IDLE_TIMEOUT_MS, responseTimeoutMs = RESPONSE_TIMEOUT_MS } = {},
): KubeGet {
  return async (path, signal) => {
    const [token, ca] = await Promise.all([readFile(config.tokenFile, 'utf8'), readFile(config.caFile, 'utf8')])
    const headers = { accept: 'application/json', authorization: `Bearer ${token.trim()}` }
    // One connection per request: requests are few, and an idle connection may be dead.
    const { host, port } = config
    // As an option the timeout counts from the first packet; `setTimeout` would count from the connection.
    const options = { host, port, path, headers, ca, signal, agent: false, timeout: responseTimeoutMs }
    let response: IncomingMessage | undefined
    response = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request(options, resolve)
      call.on('error', reject)
      call.on('socket', socket => socket.setKeepAlive(true, KEEP_ALIVE_MS))
      call.on('timeout', () => {
        if (response) response.destroy(new IdleError(`silent for ${idleTimeoutMs} ms`))
        else call.destroy(new Error(`no answer within ${responseTimeoutMs} ms`))
      })
      call.end()
    })
    response.socket.setTimeout(idleTimeoutMs)
    if (response.statusCode !== 200) throw await refusal(response)
    return response
  }
}

/** Reads a response as text, up to `limit` characters. */
export async function readText(response: IncomingMessage, limit: number): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) {
    text += chunk
    if (text.length > limit) throw new Error(`the answer has more than ${limit} characters`)
  }
  return text
}

async function refusal(response: IncomingMessage): Promise<KubeError> {
  const status = response.statusCode ?? 0
  let said = await readText(response, MAX_REFUSAL_LENGTH).catch(error => String(error))
  try {
    said = JSON.parse(said).message ?? said
  } catch {
    // An intermediary answered without JSON; its text is all we have.
  }
  return new KubeError(status, `the API server answered ${status}: ${said.trim().slice(0, 300)}`)
}
