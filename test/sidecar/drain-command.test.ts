import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { command } from '../helpers/process.ts'

t.setTimeout(180_000)

const SOURCE = fileURLToPath(new URL('../../sidecar/drain-command.ts', import.meta.url))

/** Runs the sub-command against an admin server that answers so. */
async function drain(t: Test, answer: RequestListener, env: Record<string, string | number> = {}) {
  const server = createServer(answer)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const settings = { ADMIN_HOST: '127.0.0.1', ADMIN_PORT: (server.address() as AddressInfo).port, ...env }
  const script = `import(${JSON.stringify(SOURCE)}).then(({ drain }) => drain())`
  return command(t, ['-e', script], settings)
}

t.test('it asks the sidecar of its environment, and writes one line with the result', async t => {
  const asked: string[] = []
  const { code, stdout, stderr } = await drain(t, ({ method, url }, response) => {
    asked.push(`${method} ${url}`)
    response.end('3 of 3 connections were handed over, 0 had to be closed\n')
  })
  t.strictSame(asked, ['POST /drain'])
  t.strictSame([code, stdout, stderr], [0, '200: 3 of 3 connections were handed over, 0 had to be closed\n', ''])
})

t.test('it waits for as long as the hand-over may take, and two seconds more', async t => {
  const { code, stdout } = await drain(t, () => {}, { DRAIN_SECONDS: 0.001 })
  t.equal(code, 0)
  t.match(stdout, /no answer within 2001 ms\n$/)
})
