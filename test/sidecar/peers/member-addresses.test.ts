import t from 'tap'
import { createMember, parseMembers } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { canonicalAddress, MemberAddresses } from '../../../sidecar/peers/member-addresses.ts'
import { waitFor } from '../../helpers/wait.ts'

const list = (text: string) => MemberSet.of(parseMembers(text))

t.test('one spelling of an address', async t => {
  for (const [address, canonical] of [
    ['10.0.0.9', '10.0.0.9'],
    ['::ffff:10.0.0.9', '10.0.0.9'],
    ['::FFFF:10.0.0.9', '10.0.0.9'],
    ['2001:DB8:0:0::9', '2001:db8::9'],
    ['fe80::1%eth0', 'fe80::1'],
    ['', ''],
    ['no address', 'no address'],
  ] as const)
    t.equal(canonicalAddress(address), canonical)
})

t.test('members of now and of a minute ago, this pod itself, and this machine', async t => {
  const clock = { now: 0 }
  const addresses = new MemberAddresses({ self: createMember('10.0.0.1', 3000), now: () => clock.now })
  addresses.update(list('10.0.0.2:3000,[2001:db8::3]:3000'))
  for (const address of ['10.0.0.1', '10.0.0.2', '::ffff:10.0.0.2', '2001:db8:0::3', '127.0.0.1', '127.0.0.6', '::1'])
    t.equal(addresses.has(address), true, address)
  for (const address of ['10.0.0.9', '2001:db8::9', '', 'x']) t.equal(addresses.has(address), false, address)
  addresses.update(list('10.0.0.4:3000'))
  clock.now = 59_000
  t.equal(addresses.has('10.0.0.2'), true)
  clock.now = 60_000
  t.equal(addresses.has('10.0.0.2'), false)
  t.equal(addresses.has('10.0.0.1'), true)
})

t.test('whose address it is', async t => {
  const addresses = new MemberAddresses({ self: createMember('10.0.0.1', 3000) })
  const member = createMember('10.0.0.9', 3000)
  t.equal(addresses.isOf('::ffff:10.0.0.9', member), true, 'it need not be in the list')
  t.equal(addresses.isOf('10.0.0.1', member), false, 'nor is another member it')
  t.equal(addresses.isOf('127.0.0.1', member), true, 'where it cannot be told')
  t.equal(addresses.isOf('10.0.0.9', createMember('pod.example', 3000)), false)
})

t.test(
  'a member that is listed by name has the addresses that it resolves to, old ones while there is no answer',
  async t => {
    const answers: string[][] = [['10.0.0.7', '::ffff:10.0.0.8']]
    const resolve = async () => answers[0] ?? Promise.reject(new Error('no answer'))
    const addresses = new MemberAddresses({ self: createMember('10.0.0.1', 3000), resolve })
    t.teardown(() => addresses.stop())
    addresses.update(list('pod.example:3000'))
    await waitFor(() => addresses.has('10.0.0.7'), 'it is resolved')
    t.equal(addresses.has('10.0.0.8'), true)
    t.equal(addresses.isOf('10.0.0.8', createMember('pod.example', 3000)), true)
    answers.length = 0
    addresses.update(list('pod.example:3000,other.example:3000'))
    t.equal(addresses.has('10.0.0.7'), true)
  },
)
