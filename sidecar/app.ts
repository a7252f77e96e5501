import fastify from 'fastify'
import { createDiscovery, type Discovery } from '../lib/routing/discovery/discovery.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import type { Bridge } from '../lib/wire/bridge.ts'
import { type Direction, type Message, recipientFinder } from '../lib/wire/message.ts'
import { registerProxy, rewriteUpgrade } from '../lib/wire/proxy.ts'
import { createHttpTransport } from '../lib/wire/transport/http.ts'
import { accepts } from './app-probe.ts'
import type { SidecarConfig } from './config.ts'
import { messageRoute } from './message-route.ts'
import { Registry } from './registry.ts'
import { Router } from './router.ts'
import { type Identity, planUpgrade } from './upgrade.ts'

/** The sidecar as a server that does not listen yet. */
export async function buildApp(config: SidecarConfig, deps: Deps & { discovery?: Discovery }): Promise<Service> {
  const { log, metrics, instance } = deps
  const discovery = deps.discovery ?? createDiscovery(config, { log, metrics })
  const registry = new Registry()
  const transport = createHttpTransport(config.TOKEN)
  const router = new Router({
    self: config.SELF,
    members: () => discovery.members,
    registry,
    transport,
    timeoutMs: config.DELIVER_TIMEOUT_MS,
    maxQueueBytes: config.MAX_QUEUE_BYTES,
    log,
    metrics,
  })
  metrics.gauge('users', 'Users with at least one connection to this pod.', {
    collect() {
      this.set(registry.users)
    },
  })

  const users = new WeakMap<Bridge, string>()
  const recipientOf = recipientFinder(config.RECIPIENT_FIELD)
  const routed = { inbound: config.ROUTE !== 'outbound', outbound: config.ROUTE !== 'inbound' }
  const intercept = (bridge: Bridge, direction: Direction, message: Message): boolean => {
    if (!routed[direction]) return false
    const recipient = recipientOf(message)
    const user = users.get(bridge)
    // What somebody writes to themselves is on the right connection already.
    if (recipient === undefined || recipient === user) return false
    const side = direction === 'inbound' ? 'client' : 'upstream'
    router.route(
      { bridge, side, user: user ?? '' },
      recipient,
      direction === 'inbound' ? config.DELIVER : 'client',
      message,
    )
    return true
  }

  const app = fastify({ logger: false, rewriteUrl: rewriteUpgrade })
  const proxy = await registerProxy<Identity>(app, {
    log,
    metrics,
    limits: {
      handshakeTimeoutMs: config.HANDSHAKE_TIMEOUT_MS,
      maxPayloadBytes: config.MAX_PAYLOAD_BYTES,
      maxQueueBytes: config.MAX_QUEUE_BYTES,
    },
    plan: (request, path) => planUpgrade(config, instance, request, path),
    intercept,
    opened(bridge, { user }) {
      if (user !== undefined) {
        users.set(bridge, user)
        registry.add(user, bridge)
      }
      log.debug({ user }, 'connected')
    },
    closed(bridge, { user }, end) {
      if (user !== undefined) registry.remove(user, bridge)
      log.debug({ user, ...end }, 'disconnected')
    },
  })
  // After the proxy, whose error handler it shares.
  await messageRoute(app, registry, config.TOKEN, config.MAX_PAYLOAD_BYTES)
  await discovery.start()
  app.addHook('onClose', async () => {
    transport.close()
    await discovery.stop()
  })
  return {
    app,
    // Members are no condition: the first pod that gets ready is the first member.
    async notReady() {
      const { APP_HOST, APP_PORT } = config
      return (await accepts(APP_HOST, APP_PORT))
        ? undefined
        : `the app does not accept connections on ${APP_HOST}:${APP_PORT}`
    },
    drain: deadline => proxy.drain(deadline),
  }
}
