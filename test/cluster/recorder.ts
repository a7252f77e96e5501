import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request to the API server, in the words of RBAC. */
export interface Call {
  readonly verb: string
  /** `resource.group`, with `/subresource` where there is one; `services` for the core group. */
  readonly resource: string
  readonly status: number
  readonly path: string
}

export interface Recorder {
  /** host:port, without credentials: those are of whoever it passes requests on to. */
  readonly address: string
  readonly calls: readonly Call[]
  close(): Promise<void>
}

/**
 * Passes requests on to an API server and writes down what was asked, as an audit log would.
 *
 * @param upstream host:port of `kubectl proxy`
 */
export async function startRecorder(upstream: string): Promise<Recorder> {
  const calls: Call[] = []
  const [host, port] = upstream.split(':')
  const server = createServer((incoming, outgoing) => {
    const { method = '', url = '', headers } = incoming
    const forward = request({ host, port, method, path: url, headers }, answer => {
      const asked = parse(method, url)
      if (asked) calls.push({ ...asked, status: answer.statusCode ?? 0, path: `${method} ${url}` })
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      outgoing.flushHeaders()
      answer.pipe(outgoing)
    })
    // A watch ends when its client goes.
    outgoing.on('close', () => forward.destroy())
    forward.on('error', () => outgoing.destroy())
    incoming.pipe(forward)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

const VERBS: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

/** What RBAC is asked for a request; nothing for paths that name no resource, such as discovery. */
export function parse(method: string, url: string): Pick<Call, 'verb' | 'resource'> | undefined {
  const { pathname, searchParams } = new URL(url, 'http://x')
  const parts = pathname.split('/').filter(Boolean)
  const [group, rest] = parts[0] === 'api' ? ['', parts.slice(2)] : [`.${parts[1]}`, parts.slice(3)]
  const place = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest
  const [plural, name, subresource] = place
  if (!/^apis?$/.test(parts[0] ?? '') || plural === undefined) return undefined
  const reading = name !== undefined ? 'get' : searchParams.get('watch') ? 'watch' : 'list'
  const verb = VERBS[method] ?? reading
  return { verb, resource: `${plural}${group}${subresource ? `/${subresource}` : ''}` }
}
