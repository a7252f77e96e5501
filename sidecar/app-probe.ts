import { connect } from 'node:net'
import { accepts } from '../lib/service/tcp-probe.ts'

/** Time limit for the first bytes of the app's answer, in milliseconds; the kubelet waits 2 s for ours. */
const ANSWER_TIMEOUT_MS = 1000

/** Number of unanswered requests after which the probe only checks that the app accepts connections. */
const MAX_SILENT = 3

/** How TLS servers report a plain-text request, if they report it in HTTP. */
const WANTS_TLS = /^HTTP\/1\.[01] 400 [\s\S]*HTTPS/

/**
 * Checks that the app is there and speaks HTTP. Sends `HEAD /` until the app has answered once, and only connects
 * afterwards: a wrong port is found before clients meet it, and the app's log does not fill up.
 */
export class AppProbe {
  readonly #host: string
  readonly #port: number
  /** Whether nothing is left to find out about the app's protocol. */
  #known = false
  #silent = 0

  constructor(host: string, port: number) {
    this.#host = host
    this.#port = port
  }

  /** Why no client can be served, as human-readable text; `undefined` if no problem was found. */
  async notReady(): Promise<string | undefined> {
    const at = `${this.#host}:${this.#port}`
    const absent = `the app does not accept connections on ${at}`
    if (this.#known) return (await accepts(this.#host, this.#port)) ? undefined : absent
    const answer = await firstAnswer(this.#host, this.#port)
    if (answer === undefined) return `${absent}: if this stays, is ws.operator/app-port right?`
    if (answer === '') {
      // Some servers close or wait if a request is no WebSocket handshake: that does not prove another protocol.
      this.#known = ++this.#silent >= MAX_SILENT
      return undefined
    }
    if (!answer.startsWith('HTTP/1.'))
      return `what listens on ${at} does not speak HTTP: is ws.operator/app-port right?`
    if (WANTS_TLS.test(answer)) return `what listens on ${at} wants TLS: is ws.operator/app-port right?`
    this.#known = true
    return undefined
  }
}

/** First bytes that a server sends when asked; empty if it sends none, `undefined` if there is no server. */
function firstAnswer(host: string, port: number): Promise<string | undefined> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: ANSWER_TIMEOUT_MS })
    let connected = false
    const answer = (text?: string) => {
      socket.destroy()
      resolve(connected ? (text ?? '') : undefined)
    }
    socket.once('connect', () => {
      connected = true
      socket.write(`HEAD / HTTP/1.1\r\nHost: ${host}:${port}\r\nUser-Agent: ws-operator\r\nConnection: close\r\n\r\n`)
    })
    socket.once('data', chunk => answer(chunk.toString('latin1')))
    for (const event of ['timeout', 'error', 'close'] as const) socket.once(event, () => answer())
  })
}
