import fastify from 'fastify'
import t, { type Test } from 'tap'
import { fastifyLog } from '../../../../lib/service/log/fastify-log.ts'
import { createLogger } from '../../../../lib/service/log/log.ts'

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const

/** A server whose handlers log at each level, and the lines that a program of this level writes for them. */
async function serve(t: Test, level: string) {
  const lines: Record<string, unknown>[] = []
  const log = createLogger('sidecar', 'chat-1', level, { write: line => void lines.push(JSON.parse(line)) })
  const app = fastify(fastifyLog(log))
  t.teardown(() => app.close())
  app.get('/', async ({ log }) => {
    for (const name of LEVELS) log[name]({ said: name }, 'here')
    return 'ok'
  })
  app.get('/fault', async () => {
    throw new Error('broken')
  })
  return { app, lines }
}

t.test('no request is logged, because its URL may contain a token: not even one whose handler fails', async t => {
  const { app, lines } = await serve(t, 'trace')
  t.equal((await app.inject('/nothing-here?token=secret')).statusCode, 404)
  t.equal((await app.inject('/fault?token=secret')).statusCode, 500)
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.strictSame(lines, [])
})

t.test("Fastify's warnings and errors are lines of the program, with its fields", async t => {
  const { app, lines } = await serve(t, 'trace')
  await app.inject('/')
  t.strictSame(
    lines.map(({ said }) => said),
    ['warn', 'error', 'fatal'],
  )
  for (const line of lines) t.match(line, { component: 'sidecar', instance: 'chat-1', level: line['said'] })
})

t.test('a program that logs less than warnings has as little of Fastify', async t => {
  for (const [level, wanted] of [
    ['info', ['warn', 'error', 'fatal']],
    ['error', ['error', 'fatal']],
    ['fatal', ['fatal']],
    ['silent', []],
  ] as const) {
    const { app, lines } = await serve(t, level)
    await app.inject('/')
    t.strictSame(
      lines.map(({ said }) => said),
      wanted,
      level,
    )
  }
})
