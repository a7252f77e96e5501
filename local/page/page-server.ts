import { readdirSync, readFileSync } from 'node:fs'
import { extname, join } from 'node:path'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Demo } from '../demo.ts'
import { PageFeed } from './page-feed.ts'
import { MAX_PODS, MIN_PODS } from './page-state.ts'

const folder = join(import.meta.dirname, 'public')
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
const HEADERS = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

/** The page and its controls; nothing listens yet. For loopback only: any client that can reach it can kill pods. */
export async function buildPageServer(demo: Demo, chatters: readonly string[]): Promise<FastifyInstance> {
  const app = fastify({ logger: false, forceCloseConnections: true })
  const feed = new PageFeed(demo, chatters)
  app.addHook('onClose', async () => feed.close())
  app.addHook('onRequest', async (request, reply) => {
    if (!isOurs(request)) return reply.code(403).send('This page answers only itself, on this machine.\n')
    reply.headers(HEADERS)
    return undefined
  })
  serveFiles(app)
  app.get('/events', (_request, reply) => {
    reply.hijack()
    feed.addPage(reply.raw)
  })
  for (const control of controlsOf(demo)) serveControl(app, demo, feed, control)
  return app
}

function serveFiles(app: FastifyInstance): void {
  for (const name of readdirSync(folder)) {
    const type = TYPES[extname(name)] ?? 'application/octet-stream'
    app.get(name === 'index.html' ? '/' : `/${name}`, async (_request, reply) =>
      reply.type(type).send(readFileSync(join(folder, name))),
    )
  }
}

/** A button of the page. */
interface Control {
  readonly path: string
  /** Line of the log; `pod` is the name in the path, where it has one. */
  readonly text: (pod: string) => string
  readonly act: (pod: string) => Promise<void>
}

function controlsOf({ chat }: Demo): readonly Control[] {
  const scale = (change: number) => () => chat.scale(Math.min(MAX_PODS, Math.max(MIN_PODS, chat.replicas + change)))
  return [
    { path: '/scale-up', text: () => 'scale up: one more pod', act: scale(1) },
    { path: '/scale-down', text: () => 'scale down: one pod less', act: scale(-1) },
    { path: '/restart', text: () => 'restart all pods, one after the other', act: () => chat.restart() },
    { path: '/pods/:name/kill', text: pod => `kill ${pod}`, act: pod => chat.kill(pod) },
  ]
}

/** Answers at once; the log on the page reports the result. */
function serveControl(app: FastifyInstance, demo: Demo, feed: PageFeed, { path, text, act }: Control): void {
  app.post(path, async ({ params }, reply) => {
    const { busy } = demo.chat
    if (busy) return reply.code(409).send({ message: busy })
    const { name = '' } = params as { name?: string }
    feed.addLine({ text: text(name), tone: 'plain' })
    act(name).then(
      () => feed.sendState(),
      (error: Error) => feed.addLine({ text: error.message, tone: 'bad' }),
    )
    feed.sendState()
    return reply.code(202).send({})
  })
}

/** Other sites can make a browser send requests here; their names are in Host (by DNS rebinding) or in Origin. */
function isOurs({ headers: { host = '', origin } }: FastifyRequest): boolean {
  const local = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)
  return local && (origin === undefined || origin === `http://${host}`)
}
