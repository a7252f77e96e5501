import { createDiscovery, type Discovery } from '../lib/routing/discovery/discovery.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { createProxy } from '../lib/wire/proxy.ts'
import type { BalancerConfig } from './config.ts'
import { type Placement, planUpgrade } from './upgrade.ts'

/** The balancer as a server that does not listen yet. */
export async function buildApp(config: BalancerConfig, deps: Deps & { discovery?: Discovery }): Promise<Service> {
  const { log, metrics, instance } = deps
  const discovery = deps.discovery ?? createDiscovery(config, { log, metrics })
  const proxy = createProxy<Placement>({
    log,
    metrics,
    config,
    plan: (request, path) => planUpgrade(config, discovery.members, instance, request, path),
    opened: ({ context: { user, member } }) => log.debug({ user, member }, 'connected'),
    closed: ({ context: { user, member } }, end) => log.debug({ user, member, ...end }, 'disconnected'),
  })
  await discovery.start()
  proxy.app.addHook('onClose', () => discovery.stop())
  return {
    app: proxy.app,
    notReady: () => (discovery.members.size === 0 ? 'no member is known: no pod of the app is ready yet' : undefined),
    drain: deadline => proxy.drain(deadline),
  }
}
