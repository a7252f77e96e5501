import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Demo } from '../demo.ts'
import { EventStream } from './event-stream.ts'
import { podWords, trafficWords, type Words } from './event-text.ts'
import { MAX_PODS, MIN_PODS, pageState } from './page-state.ts'

const folder = join(import.meta.dirname, 'public')
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** Lines of the log that a page gets when it comes. */
const KEPT_LINES = 200
/** Changes that come together are sent together, in milliseconds. */
const STATE_DELAY_MS = 40

/** The page and its controls; nothing listens yet. For loopback only: whoever can reach it can kill pods. */
export async function buildPageServer(demo: Demo, chatters: readonly string[]): Promise<FastifyInstance> {
  const app = fastify({ logger: false, forceCloseConnections: true })
  const stream = new EventStream()
  const lines: (Words & { readonly time: number })[] = []
  let pending: NodeJS.Timeout | undefined

  const changed = () => {
    pending ??= setTimeout(() => {
      pending = undefined
      stream.send('state', pageState(demo, chatters))
    }, STATE_DELAY_MS)
  }
  const tell = (words: Words) => {
    const line = { ...words, time: Date.now() }
    if (lines.push(line) > KEPT_LINES) lines.shift()
    stream.send('line', line)
  }
  tell({ text: `${demo.chat.ready.length} pods are ready; users connect to ${demo.url}`, tone: 'good' })
  const unlisten = demo.listen({
    changed,
    podChanged: pod => tell(podWords(pod)),
    traffic(event) {
      tell(trafficWords(event))
      if (event.kind === 'routed') stream.send('message', event)
    },
  })
  app.addHook('onClose', async () => {
    unlisten()
    clearTimeout(pending)
    stream.close()
  })

  app.addHook('onRequest', async (request, reply) => {
    if (!isOurs(request)) return reply.code(403).send('This page answers only itself, on this machine.\n')
    reply.headers({
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cache-control': 'no-store',
    })
    return undefined
  })
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)] ?? 'application/octet-stream'
    app.get(name === 'index.html' ? '/' : `/${name}`, async (_request, reply) =>
      reply.type(type).send(readFileSync(join(folder, name))),
    )
  }
  app.get('/events', (_request, reply) => {
    reply.hijack()
    stream.add(reply.raw, [
      ['state', pageState(demo, chatters)],
      ['lines', lines],
    ])
  })

  const control = (
    path: string,
    words: (request: FastifyRequest) => string,
    act: (request: FastifyRequest) => Promise<void>,
  ) =>
    app.post(path, async (request, reply) => {
      const { busy } = demo.chat
      if (busy) return reply.code(409).send({ message: busy })
      tell({ text: words(request), tone: 'plain' })
      act(request).then(changed, (error: Error) => tell({ text: error.message, tone: 'bad' }))
      changed()
      return reply.code(202).send({})
    })
  const scale = (change: number) => () =>
    demo.chat.scale(Math.min(MAX_PODS, Math.max(MIN_PODS, demo.chat.replicas + change)))
  control('/scale-up', () => 'scale up: one more pod', scale(1))
  control('/scale-down', () => 'scale down: one pod less', scale(-1))
  control(
    '/restart',
    () => 'restart all pods, one after the other',
    () => demo.chat.restart(),
  )
  const nameOf = ({ params }: FastifyRequest) => (params as { name: string }).name
  control(
    '/pods/:name/kill',
    request => `kill ${nameOf(request)}`,
    request => demo.chat.kill(nameOf(request)),
  )
  return app
}

/** Other sites can make a browser send requests here; their names are in Host (by DNS rebinding) or in Origin. */
function isOurs({ headers: { host = '', origin } }: FastifyRequest): boolean {
  const local = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)
  return local && (origin === undefined || origin === `http://${host}`)
}
