import type { FastifyInstance } from 'fastify'
import { WebSocketProxy } from '../lib/proxy/proxy.ts'
import { memoryBudget } from '../lib/proxy/proxy-settings.ts'
import { createServer } from '../lib/proxy/server.ts'
import { createDiscovery, type Discovery } from '../lib/routing/discovery/discovery.ts'
import { type Confirm, createConfirm } from '../lib/routing/discovery/dns/confirm.ts'
import { parseSelf } from '../lib/routing/members.ts'
import { MemoryBudget } from '../lib/service/memory/budget.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import { INSTANCE_HEADER } from '../lib/service/names.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { accepts } from '../lib/service/tcp-probe.ts'
import { AddressFinder } from '../lib/websocket/addressing/address-finder.ts'
import { SharedByteAllowance } from '../lib/websocket/byte-allowance.ts'
import type { SidecarConfig } from './config.ts'
import { ClientDrain } from './connections/client-drain.ts'
import { ClientEvents } from './connections/client-events.ts'
import { confirmed, type Identity, planner } from './connections/handshake-plan.ts'
import { RehomeControl } from './connections/rehome-control.ts'
import { type MemoryShares, memoryShares } from './memory-shares.ts'
import { Messaging } from './messaging.ts'
import { Confirmations } from './peers/confirmations.ts'
import { MemberAddresses } from './peers/member-addresses.ts'
import { PeerGate, type PeerGateOptions } from './peers/peer-gate.ts'
import { readinessOf } from './readiness.ts'
import { isLinkHandshake, linkRoute } from './transport/link/link-route.ts'
import { isPeerMessage, messageRoute } from './transport/message-route.ts'

/** Cap on the memory of all messages that are held until it is known whether they are addressed. */
const MAX_HELD_BYTES = 48 << 20

/** Dependencies of a sidecar; tests replace some of them. */
type SidecarDeps = Deps & { discovery?: Discovery; confirm?: Confirm } & Pick<PeerGateOptions, 'addressOf'>

/** The two sides that the sidecar's server joins: clients, and other sidecars. */
interface Parts {
  readonly find: AddressFinder
  readonly messaging: Messaging
  readonly gate: PeerGate
  readonly shares: MemoryShares
}

/** Builds the sidecar: a server that does not listen yet. */
export async function buildApp(config: SidecarConfig, deps: SidecarDeps): Promise<Service> {
  const { log, metrics } = deps
  const discovery = deps.discovery ?? createDiscovery(config, { log, metrics })
  const addresses = new MemberAddresses({ self: parseSelf(config.SELF) })
  const shares = memoryShares(new MemoryBudget(memoryBudget(config)))
  const find = createFinder(config, shares.budget, metrics)
  const confirmations = new Confirmations(deps.confirm ?? createConfirm(config))
  const messaging = new Messaging(config, {
    find,
    confirm: host => confirmations.isMember(host),
    members: () => discovery.members,
    onVerified: member => addresses.addFormer(member),
    shares,
    log,
    metrics,
  })
  discovery.onChange(members => {
    addresses.update(members)
    messaging.membersChanged(members)
  })
  const events = new ClientEvents({ config, messaging, log })
  const control = createControl(config, messaging, events)
  const parts = { find, messaging, gate: createGate(config, deps, addresses, messaging), shares }
  const proxy = createProxy(config, deps, parts, events, control)
  const app = createServer(config, log, proxy)
  await app.register(proxy.plugin)
  await registerPeerRoutes(app, config, metrics, parts)
  await discovery.start()
  app.addHook('onClose', async () => {
    messaging.stop()
    addresses.stop()
    await discovery.stop()
  })
  const clients = new ClientDrain({ proxy, control, messaging, limitMs: config.DRAIN_SECONDS * 1000, log })
  return {
    app,
    notReady: readinessOf({ config, discovery, metrics }),
    handOver: deadline => clients.handOver(deadline),
    drain: deadline => clients.drain(deadline),
  }
}

function createFinder(config: SidecarConfig, memory: MemoryBudget, metrics: Metrics): AddressFinder {
  const room = new SharedByteAllowance(Math.min(MAX_HELD_BYTES, memory.bytes / 2), memory.accounts.held)
  metrics.gauge(
    'buffered_message_bytes',
    'Memory of messages that are buffered until it is known whether they are addressed.',
    {
      collect() {
        this.set(room.bytes)
      },
    },
  )
  return new AddressFinder({
    field: config.RECIPIENT_FIELD,
    withId: config.RECEIPTS,
    maxBytes: config.MAX_ADDRESSED_BYTES,
    room,
  })
}

function createGate(
  config: SidecarConfig,
  { metrics, addressOf }: SidecarDeps,
  addresses: MemberAddresses,
  messaging: Messaging,
): PeerGate {
  return new PeerGate({
    addresses,
    token: config.TOKEN,
    tokenRequired: config.TOKEN_REQUIRED,
    target: config.TARGET,
    metrics,
    confirm: async name => (await messaging.confirm(name)) !== undefined,
    ...(addressOf && { addressOf }),
  })
}

function createProxy(
  config: SidecarConfig,
  { log, metrics, instance }: SidecarDeps,
  { find, messaging, gate, shares }: Parts,
  events: ClientEvents,
  control: RehomeControl,
): WebSocketProxy<Identity> {
  return new WebSocketProxy<Identity>({
    log,
    metrics,
    config,
    identity: { [INSTANCE_HEADER]: instance },
    memory: shares.budget,
    isOwn: request => isPeerMessage(request) && gate.isPeer(request),
    claims: request => isLinkHandshake(request) && gate.isPeer(request),
    plan: planner(config, instance),
    confirm: confirmed,
    find: {
      ...(config.ROUTE !== 'outbound' && { inbound: find }),
      ...(config.ROUTE !== 'inbound' && { outbound: find }),
    },
    holdFor: config.SLOW_MESSAGE_SECONDS,
    // The balancer can only be told between two messages that the app ended this connection on purpose.
    wholeMessages: config.ROUTE === 'inbound',
    // A message to the client's own user is on the right connection already.
    takes: (bridge, _direction, recipient) => recipient !== bridge.context.user,
    onAddressed: (...message) => events.addressed(...message),
    onUnparsed: (...message) => messaging.unparsed(...message),
    onControl: (bridge, payload) => control.onControl(bridge, payload),
    onLost: (bridge, loss) => control.onLost(bridge, loss),
    opened: (bridge, opening) => events.opened(bridge, opening),
    closed: (bridge, end) => events.closed(bridge, end),
  })
}

/** Registers the routes for other sidecars, for both transports. */
async function registerPeerRoutes(
  app: FastifyInstance,
  config: SidecarConfig,
  metrics: Metrics,
  { messaging, gate, shares }: Parts,
): Promise<void> {
  const peers = { inbox: messaging.inbox, gate, memory: shares.links }
  await app.register(messageRoute, { ...peers, maxPayloadBytes: config.MAX_PAYLOAD_BYTES })
  const limits = { maxMessageBytes: config.MAX_PAYLOAD_BYTES, windowBytes: config.MAX_QUEUE_BYTES }
  await app.register(linkRoute, { ...peers, limits, metrics })
}

/** Creates the sidecar's part in moving clients; its events go to the client events. */
function createControl(config: SidecarConfig, messaging: Messaging, events: ClientEvents): RehomeControl {
  return new RehomeControl({
    accepts: () => accepts(config.APP_HOST, config.APP_PORT),
    idle: bridge => messaging.idle(bridge, bridge.context.user),
    movedTo: (bridge, member) => events.movedTo(bridge, member),
    stayed: bridge => events.stayed(bridge),
    taken: bridge => events.taken(bridge),
  })
}
