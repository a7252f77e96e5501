import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Bridge } from '../../lib/bridge/bridge.ts'
import { createMember, type Member } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { createLogger } from '../../lib/service/log/log.ts'
import { Allotment } from '../../lib/service/memory/allotment.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import type { Message } from '../../lib/websocket/message.ts'
import { Registry } from '../../sidecar/connections/registry.ts'
import { Delivery } from '../../sidecar/receive/delivery.ts'
import { MessageReceiver } from '../../sidecar/receive/message-receiver.ts'
import { Finder } from '../../sidecar/send/finder.ts'
import { LocationCache } from '../../sidecar/send/location-cache.ts'
import { Router } from '../../sidecar/send/router.ts'
import type { Answer } from '../../sidecar/transport/outcome.ts'
import { serialNumbers } from '../../sidecar/transport/serial-numbers.ts'
import type { IncomingMessage, Transport } from '../../sidecar/transport/transport.ts'
import { waitFor } from '../helpers/wait.ts'
import { noSenders } from './no-senders.ts'

const MEMBERS = [1, 2, 3, 4].map(n => createMember('10.0.0.1', n))
const ALL = MemberSet.of(MEMBERS)
const USER = 'bob'

/** A link between two sidecars that does each of its steps when it is told to. */
interface Wire {
  /** Sent, not arrived. */
  readonly there: IncomingMessage[]
  /** Answered, not heard. */
  readonly back: { id: number; answer: Answer | Promise<Answer> }[]
  /** Sent, no answer heard: in the order of sending. */
  readonly open: Map<number, { incoming: IncomingMessage; resolve: (answer: Answer) => void }>
}

/** Sidecars with everything but sockets: what is on its way moves on, is lost with a link, or is overtaken by other links as the test says. */
function startWorld() {
  const received: string[] = []
  const wires: Wire[] = []
  const log = createLogger('test', 'test', 'silent')
  const nodes = MEMBERS.map(self => {
    const metrics = new Metrics()
    const registry = new Registry()
    const locationCache = new LocationCache({ self: self.name, metrics })
    const owner = (user: string) => ALL.owner(user)?.name
    const delivery = new Delivery({
      ...noSenders,
      self: self.name,
      owner,
      registry,
      locationCache,
      relay: () => {},
      maxWaitingBytes: 1_000_000,
      maxWaitMs: 60_000,
    })
    const inbox = new MessageReceiver({
      ended: () => {},
      delivery,
      locationCache,
      knownPeers: { addVerified: () => {}, get: () => undefined },
      windowBytes: 262_144,
      memory: new Allotment(1e9),
      metrics,
    })
    return { self, metrics, registry, locationCache, delivery, inbox }
  })
  const routers = nodes.map(({ self, metrics, registry, locationCache, delivery }) => {
    const toward = new Map<string, Wire>()
    const nextId = serialNumbers()
    const transport: Transport = {
      send(member: Member, routed) {
        let wire = toward.get(member.name)
        if (!wire) {
          wire = { there: [], back: [], open: new Map() }
          toward.set(member.name, wire)
          wires.push(wire)
          targets.set(wire, { session: nodes.find(node => node.self.name === member.name)!.inbox.from(self.name) })
        }
        const incoming: IncomingMessage = { ...routed, id: nextId(), repeated: false }
        const { there, open } = wire
        there.push(incoming)
        return new Promise(resolve => open.set(incoming.id, { incoming, resolve }))
      },
      announce: () => Promise.resolve(true),
      pipelines: () => true,
      end: () => {},
      close: () => {},
    }
    const history = { changedWithin: () => false, isNew: () => false, formerOwners: () => [] }
    const members = () => ALL
    const finder = new Finder({
      self: self.name,
      members,
      history,
      knownPeers: { get: name => ALL.get(name), addVerified: () => {} },
      registry,
      locationCache,
      delivery,
      transport,
      timeoutMs: 60_000,
      metrics,
    })
    const limits = { timeoutMs: 60_000, recipientWaitMs: 1000, maxQueueBytes: () => 10_000_000 }
    return new Router({ finder, transport, nextLane: serialNumbers(), ...limits, log, metrics })
  })
  const targets = new Map<Wire, { session: ReturnType<MessageReceiver['from']> }>()
  const bridge = (): Bridge =>
    ({
      state: 'open',
      send: async (_side: string, { data }: Message) => {
        received.push(data.toString())
        return 'sent'
      },
    }) as unknown as Bridge
  let at = nodes.findIndex(({ self }) => self === ALL.owner(USER))
  let connection = bridge()
  nodes[at]?.registry.add(USER, connection)
  const from = { hold: () => {}, release: () => {}, charge: () => {} } as unknown as Bridge

  const world = {
    received,
    send(node: number, text: string) {
      const message = { data: Buffer.from(text), binary: false }
      routers[node]?.route({ bridge: from, side: 'client', user: 'ann' }, USER, 'app', message)
    },
    move(to: number) {
      if (to === at) return
      const next = bridge()
      nodes[to]?.registry.add(USER, next)
      nodes[to]?.locationCache.delete(USER)
      nodes[at]?.registry.remove(USER, connection)
      nodes[at]?.locationCache.set(USER, MEMBERS[to]?.name ?? '')
      at = to
      connection = next
    },
    arrive(pick: number) {
      const wire = wires[pick % wires.length]
      const incoming = wire?.there.shift()
      if (wire && incoming) wire.back.push({ id: incoming.id, answer: targets.get(wire)!.session.receive(incoming) })
    },
    async hear(pick: number) {
      const wire = wires[pick % wires.length]
      const answer = wire?.back.shift()
      if (!wire || !answer) return
      const result = await answer.answer
      wire.open.get(answer.id)?.resolve(result)
      wire.open.delete(answer.id)
    },
    /** What was on its way in both directions is lost, and sent again. */
    cut(pick: number) {
      const wire = wires[pick % wires.length]
      if (!wire) return
      wire.back.length = 0
      wire.there.length = 0
      for (const [id, entry] of wire.open) {
        entry.incoming = { ...entry.incoming, repeated: true }
        wire.open.set(id, entry)
        wire.there.push(entry.incoming)
      }
    },
    async finish(count: number) {
      const all = async () => {
        for (let n = 0; n < wires.length; n++) {
          world.arrive(n)
          await world.hear(n)
        }
        return (await world.outcomes()) === count
      }
      await waitFor(all, 'all have an outcome')
    },
    outcomes: () => world.count(() => true),
    delivered: () => world.count(outcome => outcome === 'delivered'),
    async count(which: (outcome: string) => boolean) {
      let sum = 0
      for (const { metrics } of nodes) {
        const counter = await metrics.registry.getSingleMetric('ws_operator_messages_routed_total')?.get()
        for (const { labels, value } of counter?.values ?? []) if (which(String(labels['outcome']))) sum += value
      }
      return sum
    },
  }
  return world
}

t.test(
  'however users move, links break and answers are late: each message once, and each sender’s in order',
  async () => {
    const pick = fc.nat(100)
    const event = fc.oneof(
      { weight: 8, arbitrary: fc.record({ do: fc.constant('send' as const), pick: fc.nat(3) }) },
      { weight: 8, arbitrary: fc.record({ do: fc.constant('arrive' as const), pick }) },
      { weight: 6, arbitrary: fc.record({ do: fc.constant('hear' as const), pick }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('move' as const), pick: fc.nat(3) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const), pick }) },
    )
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 20, maxLength: 150 }), async events => {
        const world = startWorld()
        const sent = [0, 0, 0, 0]
        for (const { do: action, pick } of events) {
          if (action === 'send') {
            world.send(pick, `${pick} ${sent[pick]}`)
            sent[pick] = (sent[pick] ?? 0) + 1
          } else await world[action](pick)
          await new Promise(setImmediate)
        }
        await world.finish(sent.reduce((sum, count) => sum + count))
        for (const [node, count] of sent.entries()) {
          assert.deepEqual(
            world.received.filter(text => text.startsWith(`${node} `)),
            Array.from({ length: count }, (_, n) => `${node} ${n}`),
          )
        }
        assert.equal(await world.delivered(), world.received.length)
      }),
      { numRuns: 150 },
    )
  },
)
