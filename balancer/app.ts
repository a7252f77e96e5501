import cluster from 'node:cluster'
import { createDiscovery, type Discovery } from '../lib/routing/discovery/discovery.ts'
import { Suspects } from '../lib/routing/suspects.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { workerCount } from '../lib/service/workers/count.ts'
import { controlSecret } from '../lib/wire/control.ts'
import { fieldOf } from '../lib/wire/head.ts'
import { accepts } from '../lib/wire/probe.ts'
import { createProxy } from '../lib/wire/proxy.ts'
import type { BalancerConfig } from './config.ts'
import { closePaced } from './drain.ts'
import { Mover } from './mover.ts'
import { PassOver } from './pass-over.ts'
import type { Placement } from './placement.ts'
import { Residents } from './residents.ts'
import { confirmed, planner } from './upgrade.ts'

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
  const residents = config.REBALANCE === 'off' ? new Residents() : undefined
  const passOver = new PassOver(members)
  const proxy = createProxy<Placement>({
    log,
    metrics,
    config,
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
      log.debug({ user: context.user, member: context.member }, 'connected')
    },
    closed(connection, end) {
      mover.forget(connection)
      residents?.delete(connection)
      log.debug({ user: connection.context.user, member: connection.context.member, ...end }, 'disconnected')
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
