import { createProxy } from '../lib/proxy/proxy.ts'
import { memoryBudget } from '../lib/proxy/proxy-settings.ts'
import { createDiscovery, type Discovery } from '../lib/routing/discovery/discovery.ts'
import { type Confirm, createConfirm } from '../lib/routing/discovery/dns/confirm.ts'
import { parseSelf } from '../lib/routing/members.ts'
import { Allotment } from '../lib/service/memory/allotment.ts'
import { MemoryBudget } from '../lib/service/memory/budget.ts'
import { INSTANCE_HEADER } from '../lib/service/names.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { accepts } from '../lib/service/tcp-probe.ts'
import { AddressFinder } from '../lib/websocket/addressing/address-finder.ts'
import { SharedByteAllowance } from '../lib/websocket/byte-allowance.ts'
import type { SidecarConfig } from './config.ts'
import { handOverAll, handOverDeadline, movable } from './connections/hand-over-all.ts'
import { confirmed, type Identity, planner } from './connections/handshake-plan.ts'
import { RehomeControl } from './connections/rehome-control.ts'
import { createMessaging, LINKS_SHARE } from './messaging.ts'
import { Confirmations } from './peers/confirmations.ts'
import { MemberAddresses } from './peers/member-addresses.ts'
import { PeerGate, type PeerGateOptions } from './peers/peer-gate.ts'
import { readinessOf } from './readiness.ts'
import { deadlineIn, orLate } from './transport/deadline.ts'
import { isLinkHandshake, linkRoute } from './transport/link/link-route.ts'
import { isPeerMessage, messageRoute } from './transport/message-route.ts'

/** Memory of all messages together that are held until it is known whether they are addressed. */
const MAX_HELD_BYTES = 48 << 20

/** The sidecar as a server that does not listen yet. */
export async function buildApp(
  config: SidecarConfig,
  deps: Deps & { discovery?: Discovery; confirm?: Confirm } & Pick<PeerGateOptions, 'addressOf'>,
): Promise<Service> {
  const { log, metrics, instance } = deps
  const discovery = deps.discovery ?? createDiscovery(config, { log, metrics })
  const memory = new MemoryBudget(memoryBudget(config))
  const room = new SharedByteAllowance(Math.min(MAX_HELD_BYTES, memory.bytes / 2), memory.accounts.held)
  const links = new Allotment(memory.bytes * LINKS_SHARE, memory.accounts.messages)
  const find = new AddressFinder({
    field: config.RECIPIENT_FIELD,
    withId: config.RECEIPTS,
    maxBytes: config.MAX_ADDRESSED_BYTES,
    room,
  })
  metrics.gauge(
    'buffered_message_bytes',
    'Memory of messages that are buffered until it is known whether they are addressed.',
    {
      collect() {
        this.set(room.bytes)
      },
    },
  )
  const addresses = new MemberAddresses({ self: parseSelf(config.SELF) })
  const confirmations = new Confirmations(deps.confirm ?? createConfirm(config))
  const messaging = createMessaging(config, {
    find,
    confirm: host => confirmations.isMember(host),
    members: () => discovery.members,
    onMet: member => addresses.met(member),
    memory,
    links,
    log,
    metrics,
  })
  const gate = new PeerGate({
    addresses,
    token: config.TOKEN,
    tokenRequired: config.TOKEN_REQUIRED,
    target: config.TARGET,
    metrics,
    confirm: async name => (await messaging.confirm(name)) !== undefined,
    ...(deps.addressOf && { addressOf: deps.addressOf }),
  })
  discovery.onChange(members => {
    addresses.update(members)
    messaging.membersChanged(members)
  })

  const control = new RehomeControl({
    accepts: () => accepts(config.APP_HOST, config.APP_PORT),
    idle: bridge => messaging.idle(bridge, bridge.context.user),
    movedTo(bridge, member) {
      const { user } = bridge.context
      messaging.connections.moved(bridge, member)
      if (user !== undefined) messaging.moved(user, bridge, member)
      log.debug({ user, member }, 'moved')
    },
    stayed(bridge) {
      const { user, key } = bridge.context
      messaging.connections.stayed(bridge)
      if (user !== undefined) messaging.stayed(user, bridge, key)
      log.debug({ user }, 'stayed')
    },
    taken(bridge) {
      const { user } = bridge.context
      messaging.connections.taken(bridge)
      if (user !== undefined) messaging.taken(user, bridge)
      log.debug({ user }, 'taken')
    },
  })
  // Where clients' messages are delivered as theirs, other pods are shown how they came.
  const keepsHandshakes = config.DELIVER === 'sender' && config.ROUTE !== 'outbound'
  const proxy = createProxy<Identity>({
    log,
    metrics,
    config,
    identity: { [INSTANCE_HEADER]: instance },
    memory,
    isOwn: request => isPeerMessage(request) && gate.isPeer(request),
    claims: request => isLinkHandshake(request) && gate.isPeer(request),
    plan: planner(config, instance),
    confirm: confirmed,
    find: {
      ...(config.ROUTE !== 'outbound' && { inbound: find }),
      ...(config.ROUTE !== 'inbound' && { outbound: find }),
    },
    holdFor: config.SLOW_MESSAGE_SECONDS,
    // Only between two messages can the balancer be told that the app ended this connection on purpose.
    wholeMessages: config.ROUTE === 'inbound',
    // What somebody writes to themselves is on the right connection already.
    takes: (bridge, _direction, recipient) => recipient !== bridge.context.user,
    onAddressed(bridge, direction, recipient, message) {
      const { user } = bridge.context
      const inbound = direction === 'inbound'
      const sender = {
        bridge,
        side: inbound ? 'client' : 'upstream',
        user: user ?? '',
        origin: inbound && config.DELIVER === 'sender' ? messaging.connections.origin(bridge) : undefined,
      } as const
      messaging.router.route(sender, recipient, inbound ? config.DELIVER : 'client', message)
    },
    onUnparsed: (bridge, direction, why) => messaging.unparsed(bridge, direction, why),
    onControl: (bridge, payload) => control.onControl(bridge, payload),
    onLost: (bridge, loss) => control.onLost(bridge, loss),
    opened(bridge, opening) {
      const { id, user, key, arriving } = bridge.context
      const handshake = keepsHandshakes ? opening.handshake : undefined
      messaging.connections.add(bridge, { id, handshake }, arriving)
      if (user !== undefined) messaging[arriving ? 'arriving' : 'connected'](user, bridge, key)
      log.debug({ user, connection: id, arriving }, 'connected')
    },
    closed(bridge, end) {
      const { user, id } = bridge.context
      messaging.connections.remove(bridge)
      if (user !== undefined) messaging.disconnected(user, bridge)
      const isOurs = end.cause === 'no_room' || end.cause === 'slow_message'
      log[isOurs ? 'warn' : 'debug']({ user, connection: id, ...end }, 'disconnected')
    },
  })
  const { app } = proxy
  await messageRoute(app, messaging.inbox, gate, config.MAX_PAYLOAD_BYTES, links)
  const limits = { maxMessageBytes: config.MAX_PAYLOAD_BYTES, windowBytes: config.MAX_QUEUE_BYTES, memory: links }
  await linkRoute(app, messaging.inbox, gate, limits, metrics)
  // A client is moved though its last messages are still on their way: what looks for its recipient ends with this process.
  const settled = (until: number) =>
    orLate(messaging.router.settled(), undefined, deadlineIn(Math.max(1, until - Date.now())))
  let handedOver = false
  await discovery.start()
  app.addHook('onClose', async () => {
    messaging.stop()
    addresses.stop()
    await discovery.stop()
  })
  return {
    app,
    notReady: readinessOf({ config, discovery, metrics }),
    async handOver(deadline) {
      handedOver = true
      proxy.refuse()
      const connections = () => proxy.bridges
      const before = proxy.bridges.size
      const closed = await handOverAll({ connections, ask: connection => control.drain(connection) }, deadline)
      await settled(deadline)
      messaging.closeSenders()
      return `${before - closed} of ${before} connections were handed over, ${closed} had to be closed`
    },
    // Told to end without a word before, as where no preStop hook runs: those that a balancer can move are handed over first.
    async drain(deadline) {
      if (!handedOver) {
        proxy.refuse()
        const connections = () => movable(proxy.bridges)
        const until = Math.min(handOverDeadline(deadline), Date.now() + config.DRAIN_SECONDS * 1000)
        const closed = await handOverAll({ connections, ask: connection => control.drain(connection) }, until)
        await settled(until)
        messaging.closeSenders()
        if (closed > 0) log.warn({ closed }, 'clients that nobody took were closed')
      }
      await proxy.drain(deadline)
    },
  }
}
