import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { BridgeEnd } from '../../../../lib/bridge/bridge.ts'
import { SocketReads } from '../../../../lib/bridge/socket/socket-reads.ts'
import type { Plan } from '../../../../lib/proxy/plan.ts'
import type { UpgradeHooks } from '../../../../lib/proxy/proxy-options.ts'
import type { WireConfig } from '../../../../lib/proxy/proxy-settings.ts'
import { ConnectionMemory } from '../../../../lib/proxy/upgrade/connection-memory.ts'
import { OpenBridges } from '../../../../lib/proxy/upgrade/open-bridges.ts'
import { PendingClients } from '../../../../lib/proxy/upgrade/pending-clients.ts'
import { UpgradeHandler } from '../../../../lib/proxy/upgrade/upgrade-handler.ts'
import { ClientConnections } from '../../../../lib/service/http/client-connections.ts'
import { createLogger } from '../../../../lib/service/log/log.ts'
import { MemoryBudget } from '../../../../lib/service/memory/budget.ts'
import type { Scope } from '../../../helpers/stack.ts'
import { configOf, countersOf, planTo, sinksOf } from '../fixtures.ts'

/** A server whose handshakes go to a port, and the parts that handle them. */
export async function startUpgrades(
  t: Scope,
  appPort: number,
  { hooks = {}, settings = {} }: { hooks?: Partial<UpgradeHooks<string>>; settings?: Partial<WireConfig> } = {},
) {
  const config = configOf(settings)
  const memory = new MemoryBudget(1 << 30)
  const reads = new SocketReads(memory.bytes)
  const counters = countersOf()
  const ends: BridgeEnd[] = []
  const bridges = new OpenBridges<string>({
    config,
    log: createLogger('test', 'test', 'silent'),
    hooks: {},
    memory,
    processes: 1,
    wholeMessages: false,
    reads,
    others: () => [],
    onClosed: (_bridge, end) => void ends.push(end),
  })
  const connections = new ClientConnections({ soft: 100, hard: () => 100, requests: 100 })
  const pending = new PendingClients()
  const handler = new UpgradeHandler<string>({
    config,
    hooks: { plan: (): Plan<string> => planTo(appPort), ...hooks },
    bridges,
    connections,
    pending,
    memory,
    connectionMemory: new ConnectionMemory(memory.accounts.connections),
    reads,
    sinks: sinksOf(),
    counters,
  })
  const server = createServer()
  connections.attach(server)
  server.on('upgrade', (request: IncomingMessage, socket, head) => handler.handle(request, socket as Socket, head))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    bridges.terminateAll()
    pending.destroyAll()
    bridges.stop()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, handler, bridges, memory, connections, ends, counted: counters.counted }
}
