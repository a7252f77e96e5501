import { loadBalancerConfig } from '../../balancer/config.ts'
import { type Connection, newPlacement } from '../../balancer/placement/placement.ts'
import { Mover } from '../../balancer/rehome/mover.ts'
import type { HandedOver, Loss } from '../../lib/bridge/bridge.ts'
import type { Answered } from '../../lib/bridge/socket/dial.ts'
import { type ControlPing, controlSecret, encodeControlPing } from '../../lib/rehome/control-pings.ts'
import type { Discovery } from '../../lib/routing/discovery/discovery.ts'
import { createMember, type Member } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { Suspects } from '../../lib/routing/suspects.ts'
import { createLogger } from '../../lib/service/log/log.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import type { Scope } from './stack.ts'

/** A connection of which only what a mover sees is there; a test says how each hand-over ends. */
export interface Puppet {
  readonly connection: Connection
  /** Hand-overs that have begun and not ended. */
  readonly begun: ((result: HandedOver) => void)[]
  /** Whether the end of its upstream was passed on. */
  givenUp: boolean
  /** Loses its upstream; `true`: the client was not told. */
  lose(code: number): boolean
  /** The sidecar says something. */
  say(type: Exclude<ControlPing['type'], 'move'>): void
}

const HANDSHAKE = [
  'GET / HTTP/1.1',
  'Host: app',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
]

/** A mover alone, with apps as members and puppets for connections. */
export function startMover(t: Scope, apps: readonly { port: number }[], env: Record<string, string | number> = {}) {
  const members = apps.map(({ port }) => createMember('127.0.0.1', port))
  const names = { WS_OPERATOR_DISCOVERY: 'static', WS_OPERATOR_MEMBERS: members.map(({ name }) => name).join() }
  const settings = Object.entries({
    REHOME: 'transparent',
    REBALANCE_DELAY_SECONDS: 0,
    MAX_MOVES_PER_SECOND: 1000,
    ...env,
  })
  const config = loadBalancerConfig({
    ...names,
    ...Object.fromEntries(settings.map(([name, value]) => [`WS_OPERATOR_${name}`, String(value)])),
  })
  const set = MemberSet.of(members)
  const discovery: Discovery = {
    members: set,
    leaving: new Set(),
    synced: true,
    problem: undefined,
    start: async () => {},
    onChange: () => () => {},
    stop: async () => {},
  }
  const secret = controlSecret()
  const metrics = new Metrics()
  const suspects = new Suspects({ probe: async () => true })
  const connections = new Set<Connection>()
  const log = createLogger('balancer', 'balancer-1', 'debug', { write() {} })
  const mover = new Mover({ config, discovery, suspects, secret, log, metrics, connections: () => connections })
  t.teardown(() => {
    mover.stop()
    suspects.close()
  })
  return {
    mover,
    ownerOf: (user: string) => members.indexOf(set.owner(user) as Member),
    connect(user: string, pod: number): Puppet {
      const begun: Puppet['begun'] = []
      const context = newPlacement({ id: `connection of ${user}`, user, key: user, member: members[pod]?.name ?? '' })
      context.handshake = Buffer.from([...HANDSHAKE, `ws-user-id: ${user}`, '', ''].join('\r\n'))
      const state = { state: 'open', orphaned: false, lastSeen: connections.size, clientHasSpoken: true }
      const connection = Object.assign(state, {
        context,
        whenRetired: async () => true,
        async handOver({ socket }: Answered): Promise<HandedOver> {
          const result = await new Promise<HandedOver>(resolve => begun.push(resolve))
          socket.destroy()
          if (result === 'moved') state.orphaned = false
          return result
        },
        close() {
          state.state = 'closing'
        },
        giveUp() {
          puppet.givenUp = true
          state.state = 'closing'
        },
      }) as unknown as Connection
      const puppet: Puppet = {
        connection,
        begun,
        givenUp: false,
        lose(code: Loss['code']) {
          state.orphaned = true
          return mover.onLost(connection, { code, midMessage: false })
        },
        say: type => mover.onControl(connection, encodeControlPing(secret, { type })),
      }
      connections.add(connection)
      return puppet
    },
    async metric(name: string, labels: Record<string, string> = {}): Promise<number> {
      const found = await metrics.registry.getSingleMetric(`ws_operator_${name}`)?.get()
      const matches = (entry: { labels: object }) =>
        Object.entries(labels).every(([key, wanted]) => (entry.labels as Record<string, string>)[key] === wanted)
      return found?.values.find(matches)?.value ?? 0
    },
  }
}
