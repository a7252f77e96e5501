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

const names = (...slices: EndpointSlice[]) => membersOfSlices(slices, 'ws-proxy').map(({ name }) => name)

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
