import type { Socket } from 'node:net'
import t from 'tap'
import { ClientWithoutBridge } from '../../../../lib/proxy/plain/client-without-bridge.ts'
import type { PlainExchange } from '../../../../lib/proxy/plain/plain-exchange.ts'

/** A socket that records how it is ended. */
function socket(writableLength = 0) {
  const ends: string[] = []
  const destroyed = () => ends.length > 0
  return {
    ends,
    writableLength,
    get destroyed() {
      return destroyed()
    },
    destroy: () => ends.push('destroyed'),
    resetAndDestroy: () => ends.push('reset'),
  }
}

/** A request under way that holds this many bytes. */
function exchange(heldBytes: number) {
  const calls: [string, number][] = []
  return {
    calls,
    heldBytes,
    upstream: { localPort: heldBytes },
    restrain: (unsent: number) => calls.push(['restrain', unsent]),
    evict: (inKernel: number) => calls.push(['evict', inKernel]),
  }
}

const all = (client: object, exchanges: object[], onEvicted = () => {}) => [
  ...ClientWithoutBridge.of(client as Socket, new Set(exchanges) as unknown as Set<PlainExchange>, onEvicted),
]

t.test('a connection without a request can only be closed', async t => {
  let evicted = 0
  const client = socket(5)
  const [one, ...others] = all(client, [], () => evicted++)
  t.same(others, [])
  t.equal(one?.heldBytes, 5)
  t.equal(one?.socket('client'), client)
  t.equal(one?.socket('upstream').remotePort, undefined)
  one?.restrain({ client: 0, upstream: 9 })
  t.equal(one?.state, 'open')
  one?.evict({ client: 100, upstream: 0 })
  t.equal(one?.state, 'closed')
  t.strictSame(client.ends, ['destroyed'])
  t.equal(evicted, 1)
})

t.test('each request of a connection counts; what is unread belongs to the last', async t => {
  const client = socket(5)
  const [first, second] = [exchange(1), exchange(2)]
  const guarded = all(client, [first, second])
  t.strictSame(
    guarded.map(one => one.heldBytes),
    [1, 7],
  )
  t.strictSame(
    guarded.map(one => one.socket('client') === (client as object)),
    [false, true],
  )
  t.strictSame(
    guarded.map(one => one.socket('upstream').localPort),
    [1, 2],
  )
  guarded[0]?.restrain({ client: 0, upstream: 8 })
  guarded[0]?.evict({ client: 0, upstream: 9 })
  t.strictSame(first.calls, [
    ['restrain', 8],
    ['evict', 9],
  ])
  t.strictSame(second.calls, [])
  t.equal(guarded[1]?.state, 'closed')
})

t.test('a client for which much is held is reset', async t => {
  for (const [queued, inKernel] of [
    [70_000, 0],
    [0, 70_000],
  ] as const) {
    const client = socket(queued)
    all(client, [])[0]?.evict({ client: inKernel, upstream: 0 })
    t.strictSame(client.ends, ['reset'])
  }
})
