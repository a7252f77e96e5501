import cluster from 'node:cluster'
import { createProxy } from '../lib/proxy/proxy.ts'
import { controlSecret } from '../lib/rehome/control-pings.ts'
import { createDiscovery, type Discovery } from '../lib/routing/discovery/discovery.ts'
import { Suspects } from '../lib/routing/suspects.ts'
import { PROXY_INSTANCE_HEADER } from '../lib/service/names.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { accepts } from '../lib/service/tcp-probe.ts'
import { workerCount } from '../lib/service/workers/count.ts'
import { fieldOf } from '../lib/websocket/response-head.ts'
import type { BalancerConfig } from './config.ts'
import { confirmed, planner } from './placement/handshake-plan.ts'
import type { Placement } from './placement/placement.ts'
import { UpstreamFailover } from './placement/upstream-failover.ts'
import { UserConnections } from './placement/user-connections.ts'
import { closePaced } from './rehome/close-paced.ts'
import { Mover } from './rehome/mover.ts'

/** The balancer as a server that does not listen yet. */
export async function buildApp(config: BalancerConfig, deps: Deps & { discovery?: Discovery }): Promise<Service> {
  const { log, metrics, instance } = deps
  const discovery = deps.discovery ?? createDiscovery(config, { log, metrics })
  const secret = controlSecret()
  const suspects = new Suspects({ probe: ({ host, port }) => accepts(host, port), onChange: () => mover.settle() })
  const mover: Mover = new Mover({
    config,
    discovery,
    suspects,
    secret,
    log,
    metrics,
    connections: () => proxy.bridges,
  })
  const { members } = mover
  const residents = config.REBALANCE === 'off' ? new UserConnections() : undefined
  const passOver = new UpstreamFailover(members)
  const proxy = createProxy<Placement>({
    log,
    metrics,
    config,
    identity: { [PROXY_INSTANCE_HEADER]: instance },
    wholeMessages: true,
    processes: cluster.isWorker ? workerCount(config.WORKERS) : 1,
    plan: planner({
      config,
      instance,
      secret,
      choose(key, user) {
        const home = user === undefined ? undefined : residents?.home(user)
        return (home !== undefined && members.isMember(home) && discovery.members.get(home)) || members.choose(key)
      },
    }),
    passOver: (plan, code) => passOver.next(plan, code),
    confirm: confirmed,
    onLost: (connection, loss) => mover.onLost(connection, loss),
    onControl: (connection, payload) => mover.onControl(connection, payload),
    opened(connection, { handshake, answer }) {
      const { context } = connection
      context.handshake = handshake
      context.protocol = fieldOf(answer, 'sec-websocket-protocol')
      residents?.add(connection)
      log.debug({ user: context.user, connection: context.id, member: context.member }, 'connected')
    },
    closed(connection, end) {
      mover.forget(connection)
      residents?.delete(connection)
      const { user, id, member } = connection.context
      log.debug({ user, connection: id, member, ...end }, 'disconnected')
    },
  })
  let hasKnown = false
  const unsubscribe = discovery.onChange(known => {
    hasKnown ||= known.size > 0
    suspects.retain(known)
  })
  await discovery.start()
  proxy.app.addHook('onClose', async () => {
    unsubscribe()
    mover.stop()
    suspects.close()
    await discovery.stop()
  })
  return {
    app: proxy.app,
    // Later it stays ready without any: it has clients that wait for the next pod, and answers others at once.
    notReady: () => (hasKnown ? undefined : 'no member is known: no pod of the app is ready yet'),
    async drain(deadline) {
      proxy.refuse()
      await closePaced(proxy.bridges, deadline)
      mover.stop()
      await proxy.drain(deadline)
    },
  }
}
