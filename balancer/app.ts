import cluster from 'node:cluster'
import { targetOf } from '../lib/proxy/handshake.ts'
import { WebSocketProxy } from '../lib/proxy/proxy.ts'
import type { ProxyOptions } from '../lib/proxy/proxy-options.ts'
import { createServer } from '../lib/proxy/server.ts'
import { controlSecret } from '../lib/rehome/control-pings.ts'
import { createDiscovery, type Discovery } from '../lib/routing/discovery/discovery.ts'
import type { Member } from '../lib/routing/members.ts'
import { Suspects } from '../lib/routing/suspects.ts'
import type { Logger } from '../lib/service/log/log.ts'
import { PROXY_INSTANCE_HEADER } from '../lib/service/names.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { accepts } from '../lib/service/tcp-probe.ts'
import { workerCount } from '../lib/service/workers/count.ts'
import { sessionProtocolOf } from '../lib/session/known-protocols.ts'
import { fieldOf } from '../lib/websocket/response-head.ts'
import type { BalancerConfig } from './config.ts'
import { confirmed, planner } from './placement/handshake-plan.ts'
import type { Placement } from './placement/placement.ts'
import { UpstreamFailover } from './placement/upstream-failover.ts'
import { UserConnections } from './placement/user-connections.ts'
import { closePaced } from './rehome/close-paced.ts'
import { Mover } from './rehome/mover.ts'

/** Builds the balancer: a server that does not listen yet. */
export async function buildApp(config: BalancerConfig, deps: Deps & { discovery?: Discovery }): Promise<Service> {
  const { log, metrics, instance } = deps
  const discovery = deps.discovery ?? createDiscovery(config, { log, metrics })
  const secret = controlSecret()
  const suspects = new Suspects({ probe: ({ host, port }) => accepts(host, port), onChange: () => mover.settle() })
  const connections = () => proxy.bridges
  const mover: Mover = new Mover({ config, discovery, suspects, secret, log, metrics, connections })
  const userConnections = config.REBALANCE === 'off' ? new UserConnections() : undefined
  const failover = new UpstreamFailover(mover.members)
  const proxy = new WebSocketProxy<Placement>({
    log,
    metrics,
    config,
    identity: { [PROXY_INSTANCE_HEADER]: instance },
    wholeMessages: true,
    processes: cluster.isWorker ? workerCount(config.WORKERS) : 1,
    plan: planner({ config, instance, secret, choose: chooser(discovery, mover.members, userConnections) }),
    failover: (plan, code) => failover.next(plan, code),
    confirm: confirmed,
    onLost: (connection, loss) => mover.onLost(connection, loss),
    onControl: (connection, payload) => mover.onControl(connection, payload),
    ...connectionEvents(log, mover, userConnections),
  })
  const app = createServer(config, log, proxy)
  await app.register(proxy.plugin)
  let hasKnown = false
  const unsubscribe = discovery.onChange(known => {
    hasKnown ||= known.size > 0
    suspects.retain(known)
  })
  await discovery.start()
  app.addHook('onClose', async () => {
    unsubscribe()
    mover.stop()
    suspects.close()
    await discovery.stop()
  })
  return {
    app,
    // Once a member was known, the balancer stays ready: its clients wait for the next pod, and others get an immediate
    // error.
    notReady: () => (hasKnown ? undefined : 'no member is known: no pod of the app is ready yet'),
    async drain(deadline) {
      proxy.refuse()
      await closePaced(proxy.bridges, deadline)
      mover.stop()
      await proxy.drain(deadline)
    },
  }
}

/** Chooses the member for a handshake: the one that holds the user's connections if those stay, else by the key. */
function chooser(discovery: Discovery, members: Mover['members'], userConnections: UserConnections | undefined) {
  return (key: string, user: string | undefined): Member | undefined => {
    const home = user === undefined ? undefined : userConnections?.home(user)
    return (home !== undefined && members.isMember(home) && discovery.members.get(home)) || members.choose(key)
  }
}

/** Tracks a connection from its acceptance to its end, and logs both. */
function connectionEvents(
  log: Logger,
  mover: Mover,
  userConnections: UserConnections | undefined,
): Required<Pick<ProxyOptions<Placement>, 'opened' | 'closed'>> {
  return {
    opened(connection, { handshake, answer }) {
      const { context } = connection
      context.handshake = handshake
      context.protocol = fieldOf(answer, 'sec-websocket-protocol')
      context.session = sessionProtocolOf({ target: targetOf(handshake), protocol: context.protocol })
      userConnections?.add(connection)
      log.debug({ user: context.user, connection: context.id, member: context.member }, 'connected')
    },
    closed(connection, end) {
      mover.forget(connection)
      userConnections?.delete(connection)
      const { user, id, member } = connection.context
      log.debug({ user, connection: id, member, ...end }, 'disconnected')
    },
  }
}
