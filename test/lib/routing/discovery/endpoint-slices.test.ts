import t from 'tap'
import { type EndpointSlice, membersOfSlices } from '../../../../lib/routing/discovery/endpoint-slices.ts'

const ports = [
  { name: 'metrics', port: 9090 },
  { name: 'ws-proxy', port: 3000 },
]

function slice(addresses: string[], rest: Partial<EndpointSlice> = {}): EndpointSlice {
  return {
    metadata: { name: 'chat-abc' },
    addressType: 'IPv4',
    ports,
    endpoints: addresses.map(address => ({ addresses: [address], conditions: { ready: true } })),
    ...rest,
  }
}

const names = (...slices: EndpointSlice[]) => membersOfSlices(slices, 'ws-proxy').members.map(({ name }) => name)

t.test('several slices are one list, each member once', async t => {
  t.strictSame(names(slice(['10.0.0.1', '10.0.0.2']), slice(['10.0.0.2', '10.0.0.3'])), [
    '10.0.0.1:3000',
    '10.0.0.2:3000',
    '10.0.0.3:3000',
  ])
})

t.test('the port is the one with the name, whatever its number', async t => {
  t.strictSame(names(slice(['10.0.0.1'], { ports: [{ name: 'ws-proxy', port: 13_000 }] })), ['10.0.0.1:13000'])
  t.strictSame(names(slice(['10.0.0.1'], { ports: [{ name: 'http', port: 80 }] })), [])
  t.strictSame(names(slice(['10.0.0.1'], { ports: [{ name: 'ws-proxy', port: null }] })), [])
})

t.test('an endpoint counts unless it is not ready or terminating', async t => {
  const endpoint = (address: string, conditions?: { ready?: boolean; terminating?: boolean }) =>
    conditions ? { addresses: [address], conditions } : { addresses: [address] }
  const endpoints = [
    endpoint('10.0.0.1'),
    endpoint('10.0.0.2', {}),
    endpoint('10.0.0.3', { ready: true, terminating: false }),
    endpoint('10.0.0.4', { ready: false }),
    endpoint('10.0.0.5', { ready: false, terminating: true }),
    endpoint('10.0.0.6', { ready: true, terminating: true }),
  ]
  t.strictSame(names(slice([], { endpoints })), ['10.0.0.1:3000', '10.0.0.2:3000', '10.0.0.3:3000'])
  const { leaving, unready } = membersOfSlices([slice([], { endpoints }), slice(['10.0.0.7'])], 'ws-proxy')
  t.strictSame([...leaving], ['10.0.0.5:3000', '10.0.0.6:3000'])
  t.strictSame([...unready], ['10.0.0.4:3000'])
})

t.test('a pod of a dual-stack Service is one member', async t => {
  const v6 = slice(['fd00::1', 'fd00:0::2'], { addressType: 'IPv6' })
  t.strictSame(names(v6), ['[fd00::1]:3000', '[fd00::2]:3000'])
  t.strictSame(names(v6, slice(['10.0.0.1', '10.0.0.2'])), ['10.0.0.1:3000', '10.0.0.2:3000'])
  t.strictSame(names(slice(['chat.example'], { addressType: 'FQDN' })), [])
})

t.test('what may be absent or null in a slice may be absent or null', async t => {
  t.strictSame(names(), [])
  t.strictSame(names({ metadata: { name: 'x' } }), [])
  t.strictSame(names(slice([], { endpoints: null }), slice(['10.0.0.1'], { ports: null })), [])
  t.strictSame(names(slice([], { endpoints: [{ addresses: null, conditions: null }, {}] })), [])
})

t.test('those that terminate are told apart from those that are not ready', async t => {
  const endpoints = [
    { addresses: ['10.0.0.1'], conditions: { ready: true, serving: true, terminating: false } },
    { addresses: ['10.0.0.2'], conditions: { ready: false, serving: false, terminating: false } },
    { addresses: ['10.0.0.3'], conditions: { ready: false, serving: true, terminating: true } },
    { addresses: ['10.0.0.4'], conditions: { ready: false, serving: false, terminating: true } },
  ]
  const { members, leaving } = membersOfSlices([slice([], { endpoints })], 'ws-proxy')
  t.strictSame(
    members.map(({ name }) => name),
    ['10.0.0.1:3000'],
  )
  t.strictSame([...leaving].sort(), ['10.0.0.3:3000', '10.0.0.4:3000'])
})

t.test('a pod that is in two slices for a moment leaves as soon as one of them says so', async t => {
  const stale = slice(['10.0.0.1', '10.0.0.2'])
  const fresh = slice([], { endpoints: [{ addresses: ['10.0.0.1'], conditions: { ready: true, terminating: true } }] })
  for (const slices of [
    [stale, fresh],
    [fresh, stale],
  ]) {
    const { members, leaving } = membersOfSlices(slices, 'ws-proxy')
    t.match(members, [{ name: '10.0.0.2:3000' }])
    t.equal(members.length, 1)
    t.strictSame([...leaving], ['10.0.0.1:3000'])
  }
})

t.test('a pod of a dual-stack Service leaves under the name that it has as a member', async t => {
  const v6 = slice([], {
    addressType: 'IPv6',
    endpoints: [{ addresses: ['fd00::1'], conditions: { terminating: true } }],
  })
  const v4 = slice([], { endpoints: [{ addresses: ['10.0.0.1'], conditions: { terminating: true } }] })
  t.strictSame([...membersOfSlices([v6, v4], 'ws-proxy').leaving], ['10.0.0.1:3000'])
  t.strictSame([...membersOfSlices([v6], 'ws-proxy').leaving], ['[fd00::1]:3000'])
})
