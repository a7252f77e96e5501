import { deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  createMember,
  diffMembers,
  formatMember,
  type Member,
  parseMember,
  parseMembers,
  parseSelf,
} from '../../../lib/routing/members.ts'

t.test('a member is read from host:port, with a weight or without', async t => {
  t.strictSame(parseMember('10.0.0.1:3000'), { name: '10.0.0.1:3000', host: '10.0.0.1', port: 3000, weight: 1 })
  t.strictSame(parseMember(' chat-0.chat:80=2.5 '), {
    name: 'chat-0.chat:80',
    host: 'chat-0.chat',
    port: 80,
    weight: 2.5,
  })
})

t.test('one identity has one name, however it is written', async t => {
  t.equal(parseMember('[2001:DB8:0:0::A:b]:3000').name, '[2001:db8::a:b]:3000')
  t.equal(parseMember('[2001:db8::a:b]:3000').host, '2001:db8::a:b', 'the host has no brackets, to be dialled')
  t.equal(parseMember('Chat-0.Chat:3000').name, 'chat-0.chat:3000')
  t.equal(parseMember('10.0.0.1:03000').name, '10.0.0.1:3000')
  t.equal(createMember('fd00:0::1', 1).name, '[fd00::1]:1')
})

t.test('a bad member is refused with a message that quotes it', async t => {
  for (const [text, reason] of [
    ['', 'expected host:port'],
    ['10.0.0.1', 'expected host:port'],
    [':3000', 'expected host:port'],
    ['fd00::1:3000', 'expected host:port'],
    ['http://a:3000', 'expected host:port'],
    ['a:3000=', 'weight'],
    ['a:3000=0', 'weight'],
    ['a:3000=-1', 'weight'],
    ['a:3000=1e3', 'weight'],
    ['a:3000=Infinity', 'weight'],
    ['a:0', 'port'],
    ['a:65536', 'port'],
    ['[10.0.0.1]:3000', 'not an IPv6 address'],
    ['[fe80::1%eth0]:3000', 'neither a host name nor'],
    ['10.0.0.256:3000', 'neither a host name nor'],
    ['a b:3000', 'neither a host name nor'],
    ['-a:3000', 'neither a host name nor'],
    [`${'a'.repeat(64)}:3000`, 'neither a host name nor'],
  ] as const) {
    t.throws(() => parseMember(text), { message: new RegExp(reason) }, text)
    t.throws(() => parseMember(text), { message: new RegExp(`"${text.replace(/[[\]$^.]/g, '\\$&')}"`) }, text)
  }
})

t.test(
  'what a sidecar calls itself may be an IPv6 address without brackets, as a manifest puts it together',
  async t => {
    for (const [text, name] of [
      ['fd00::5:3000', '[fd00::5]:3000'],
      ['::1:3000', '[::1]:3000'],
      ['FD00:1:2:3:4:5:6:7:13000', '[fd00:1:2:3:4:5:6:7]:13000'],
      ['::ffff:10.0.0.1:3000', '[::ffff:10.0.0.1]:3000'],
      [' [fd00::5]:3000 ', '[fd00::5]:3000'],
      ['10.0.0.1:3000', '10.0.0.1:3000'],
      ['Chat-0.chat:3000', 'chat-0.chat:3000'],
    ] as const)
      t.equal(parseSelf(text).name, name)
    for (const text of ['fd00:1:2:3:4:5:6:3000', 'fd00::5', 'fd00::5:70000', 'fe80::1%eth0:3000', ':3000', '3000', ''])
      t.throws(() => parseSelf(text), { message: /bad member "/ }, text)
  },
)

t.test('a list is separated by commas; empty text is no member', async t => {
  t.strictSame(parseMembers(''), [])
  t.strictSame(parseMembers('  '), [])
  t.strictSame(
    parseMembers('a:1, [fd00::1]:2=3').map(member => member.name),
    ['a:1', '[fd00::1]:2'],
  )
  t.throws(() => parseMembers('a:1,,b:2'), { message: /bad member ""/ })
  t.throws(() => parseMembers('a:1,b:2,A:1=2'), { message: 'member "a:1" occurs twice' })
})

const arbitraryMember: fc.Arbitrary<Member> = fc
  .record({
    host: fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6()),
    port: fc.integer({ min: 1, max: 65_535 }),
    weight: fc.integer({ min: 1, max: 999_999_999 }).map(n => n / 1000),
  })
  .map(({ host, port, weight }) => createMember(host, port, weight))

t.test('what is formatted is read back as the same member', async t => {
  const property = fc.property(arbitraryMember, member => deepEqual(parseMember(formatMember(member)), member))
  t.doesNotThrow(() => fc.assert(property, { seed: 1 }))
  t.equal(formatMember(createMember('a', 1)), 'a:1')
  t.equal(formatMember(createMember('a', 1, 0.5)), 'a:1=0.5')
})

t.test('a difference tells who came, who went, and whose weight is another', async t => {
  const names = (members: readonly Member[]) => members.map(formatMember)
  const change = diffMembers(parseMembers('a:1,b:1,c:1'), parseMembers('d:1,c:1=2,b:1'))
  t.strictSame(names(change.added), ['d:1'])
  t.strictSame(names(change.removed), ['a:1'])
  t.strictSame(names(change.changed), ['c:1=2'], 'as it is now')
  t.strictSame(diffMembers(parseMembers('a:1,b:1'), parseMembers('b:1,a:1')), { added: [], removed: [], changed: [] })
})
