import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { createProxyServer } from 'http-proxy-3'
import { USER_HEADER } from '../../lib/service/names.ts'

/** `node node-proxy-program.ts PORT APP-PORT...`: a WebSocket proxy on http-proxy-3. */
function start(port: number, apps: readonly string[]): void {
  const proxy = createProxyServer({})
  const server = createServer((_request, response) => response.writeHead(426).end())
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy())
    const hash = createHash('md5')
      .update(String(request.headers[USER_HEADER] ?? ''))
      .digest()
    const target = `http://127.0.0.1:${apps[hash.readUInt32BE(0) % apps.length]}`
    proxy.ws(request, socket, head, { target }, () => socket.destroy())
  })
  server.listen(port, '127.0.0.1')
}

if (import.meta.main) start(Number(process.argv[2]), process.argv.slice(3))
