import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { Allotment } from '../../../lib/service/memory/allotment.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import { Registry } from '../../../sidecar/connections/registry.ts'
import { Delivery } from '../../../sidecar/receive/delivery.ts'
import type { LocalMessage } from '../../../sidecar/receive/local-message.ts'
import { MessageReceiver } from '../../../sidecar/receive/message-receiver.ts'
import { LocationCache } from '../../../sidecar/send/location-cache.ts'
import { A_MOMENT_AGO } from '../../../sidecar/transport/outcome.ts'
import { waitFor } from '../../helpers/wait.ts'
import { noSenders } from '../no-senders.ts'

/** A pod that owns everybody; its connections note what they get. */
function start(maxWaitingBytes = 10_000, maxWaitMs = 60_000) {
  const copies: string[] = []
  const registry = new Registry()
  const metrics = new Metrics()
  const locationCache = new LocationCache({ self: 'self:1', metrics })
  const delivery = new Delivery({
    ...noSenders,
    self: 'self:1',
    owner: () => 'self:1',
    registry,
    locationCache,
    relay: (member, { deliveredTo }) => void copies.push([member, ...(deliveredTo ?? [])].join(' ')),
    maxWaitingBytes,
    maxWaitMs,
  })
  const connect = (user: string, key: string, pending = false) => {
    const received: string[] = []
    const bridge = {
      state: 'open',
      send: async (_side: string, { data }: Message) => {
        received.push(data.toString())
        return 'sent'
      },
    } as unknown as Bridge
    registry.add(user, bridge, key, pending)
    return { bridge, received }
  }
  const knownPeers = { addVerified: () => {}, get: () => undefined }
  const receiver = new MessageReceiver({
    ended: () => {},
    delivery,
    locationCache,
    knownPeers,
    windowBytes: 262_144,
    memory: new Allotment(1e9),
    metrics,
  })
  return { delivery, registry, locationCache, copies, connect, receiver }
}

const routed = (user: string, text: string): LocalMessage => ({
  user,
  deliver: 'client',
  message: { data: Buffer.from(text), binary: false },
  deliveredTo: undefined,
})

t.test(
  'who waits for a client that takes long to arrive is asked to come again, and the message goes nowhere',
  async t => {
    const { delivery, registry, connect } = start(10_000, 20)
    const { bridge, received } = connect('bob', 'k', true)
    t.equal(await delivery.deliver(routed('bob', '1')), A_MOMENT_AGO)
    const second = delivery.deliver(routed('bob', '2'))
    registry.settle('bob', bridge)
    t.equal(await second, 'delivered')
    t.strictSame(received, ['2'])
  },
)

t.test('a message that no connection takes has no copies: it goes elsewhere as a whole', async t => {
  const { delivery, locationCache, copies, connect } = start()
  const { bridge } = connect('bob', 'k')
  locationCache.set('bob', 'b:1')
  let end = (_: string) => {}
  const send = () =>
    new Promise(resolve => {
      end = resolve
    })
  Object.assign(bridge, { send })
  for (const [how, answer, expected] of [
    ['closed', { member: 'b:1' }, []],
    ['full', 'slow_consumer', []],
    ['sent', 'delivered', ['b:1 >self:1 >b:1 k']],
  ] as const) {
    const delivered = delivery.deliver(routed('bob', how))
    t.strictSame(copies, [], 'nobody knows yet')
    end(how)
    t.strictSame(await delivered, answer)
    t.strictSame(copies, expected)
  }
})

t.test('a copy does not wait for a client that may come from another pod with a copy', async t => {
  const { delivery, connect } = start()
  connect('bob', 'k', true)
  const copy = (...deliveredTo: string[]) =>
    Promise.race([delivery.deliver({ ...routed('bob', 'x'), deliveredTo }), 'waits'])
  t.equal(await copy('>a:1', '>self:1', '>b:1'), 'offline')
  t.equal(await copy('>a:1', '>self:1'), 'waits')
  t.equal(await copy('>a:1', '>self:1', 'k'), 'delivered', 'nor for one that has it')
})

t.test('a recipient who can be nobody is rejected by their owner as by every other pod', async t => {
  const { delivery } = start()
  for (const user of ['a\nb', '\ud800', 'x'.repeat(600), ' x'])
    t.equal(await delivery.deliver(routed(user, '1')), 'rejected', JSON.stringify(user))
  t.equal(await delivery.deliver(routed('bob', '1')), 'offline')
})

t.test('one of several devices that does not arrive is waited for, but not for long', async t => {
  const { delivery, registry, connect } = start(2000)
  const phone = connect('bob', 'k')
  const laptop = connect('bob', 'l', true)
  const [, arriving] = registry.connections('bob')
  t.equal(await delivery.deliver(routed('bob', '1')), 'delivered', 'the phone has it')
  await arriving?.settled
  t.equal(await delivery.deliver(routed('bob', '2')), 'delivered')
  registry.settle('bob', laptop.bridge)
  t.equal(await delivery.deliver(routed('bob', '3')), 'delivered')
  t.strictSame(phone.received, ['1', '2', '3'])
  t.strictSame(laptop.received, ['3'])
  // What was waited for in vain takes no room any more.
  connect('ann', 'm', true)
  const waiting = delivery.deliver(routed('ann', 'x'.repeat(1700)))
  t.equal(await Promise.race([waiting, 'waits']), 'waits')
})

t.test('a client that is arriving and does not come leaves room for others', async t => {
  const { delivery, registry, connect } = start(4000)
  connect('bob', 'k', true)
  const bobs = Array.from({ length: 20 }, (_, n) => delivery.deliver(routed('bob', String(n))))
  t.equal(await Promise.race([bobs.at(-1), 'waits']), A_MOMENT_AGO, 'whoever sent it asks again')
  const copy = { ...routed('bob', 'x'), deliveredTo: ['k2'] }
  t.equal(await Promise.race([delivery.deliver(copy), 'waits']), 'slow_consumer', 'of a copy nobody does')
  const ann = connect('ann', 'l', true)
  const answer = delivery.deliver(routed('ann', 'hello'))
  registry.settle('ann', ann.bridge)
  t.equal(await answer, 'delivered')
})

t.test('a connection that is arriving and is said to stay: what waits for it is delivered', async t => {
  const { delivery, registry, connect } = start()
  const { bridge, received } = connect('bob', 'k', true)
  const answer = delivery.deliver(routed('bob', 'hello'))
  registry.add('bob', bridge, 'k')
  t.equal(await answer, 'delivered')
  t.strictSame(received, ['hello'])
})

t.test('what waits for a client keeps nothing of what it came in', async t => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (const devices of [1, 2]) {
    const { registry, connect, receiver } = start()
    const { bridge, received } = connect('bob', 'k', true)
    if (devices === 2) Object.assign(connect('bob', 'l').bridge, { send: () => new Promise(() => {}) })
    const take = () => {
      const batch = Buffer.alloc(262_144)
      const message = { data: batch.subarray(100, 102), binary: true }
      void receiver
        .from('sender')
        .receive({ ...routed('bob', ''), message, id: 1, lane: 1, start: true, repeated: false })
      return new WeakRef(batch.buffer)
    }
    const batch = take()
    const gone = async () => {
      collect()
      return batch.deref() === undefined
    }
    await waitFor(gone, 'its memory is free')
    registry.settle('bob', bridge)
    await waitFor(() => received.length === 1, 'it is delivered')
    t.strictSame(received, ['\0\0'])
  }
})
