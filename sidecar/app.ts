import { createDiscovery, type Discovery } from '../lib/routing/discovery/discovery.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { recipientFinder } from '../lib/wire/message.ts'
import { createProxy } from '../lib/wire/proxy.ts'
import { createHttpTransport } from '../lib/wire/transport/http.ts'
import { createLinkTransport } from '../lib/wire/transport/link.ts'
import type { Receive } from '../lib/wire/transport/transport.ts'
import { accepts } from './app-probe.ts'
import type { SidecarConfig } from './config.ts'
import { deliverHere } from './deliver.ts'
import { isLinkHandshake, linkRoute } from './link-route.ts'
import { isPeerMessage, messageRoute } from './message-route.ts'
import { Registry } from './registry.ts'
import { Router } from './router.ts'
import { type Identity, planUpgrade } from './upgrade.ts'

/** The sidecar as a server that does not listen yet. */
export async function buildApp(config: SidecarConfig, deps: Deps & { discovery?: Discovery }): Promise<Service> {
  const { log, metrics, instance } = deps
  const discovery = deps.discovery ?? createDiscovery(config, { log, metrics })
  const registry = new Registry()
  const transport = (config.TRANSPORT === 'link' ? createLinkTransport : createHttpTransport)(config.TOKEN)
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

  const find = recipientFinder(config.RECIPIENT_FIELD)
  const proxy = createProxy<Identity>({
    log,
    metrics,
    config,
    isOwn: isPeerMessage,
    claims: isLinkHandshake,
    plan: (request, path) => planUpgrade(config, instance, request, path),
    find: {
      ...(config.ROUTE !== 'outbound' && { inbound: find }),
      ...(config.ROUTE !== 'inbound' && { outbound: find }),
    },
    onAddressed(bridge, direction, recipient, message) {
      const { user } = bridge.context
      // What somebody writes to themselves is on the right connection already.
      if (recipient === user) return false
      const inbound = direction === 'inbound'
      const sender = { bridge, side: inbound ? 'client' : 'upstream', user: user ?? '' } as const
      router.route(sender, recipient, inbound ? config.DELIVER : 'client', message)
      return true
    },
    opened(bridge) {
      const { user } = bridge.context
      if (user !== undefined) registry.add(user, bridge)
      log.debug({ user }, 'connected')
    },
    closed(bridge, end) {
      const { user } = bridge.context
      if (user !== undefined) registry.remove(user, bridge)
      log.debug({ user, ...end }, 'disconnected')
    },
  })
  const { app } = proxy
  const receive: Receive = (user, deliver, message) => deliverHere(registry, user, deliver, message)
  await messageRoute(app, receive, config.TOKEN, config.MAX_PAYLOAD_BYTES)
  const limits = { maxMessageBytes: config.MAX_PAYLOAD_BYTES, windowBytes: config.MAX_QUEUE_BYTES }
  await linkRoute(app, receive, config.TOKEN, limits, metrics)
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
