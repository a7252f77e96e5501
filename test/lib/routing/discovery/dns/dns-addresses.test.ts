import t from 'tap'
import {
  type AddressResolver,
  isNoName,
  isNone,
  orNone,
  spelled,
  TargetAddresses,
} from '../../../../../lib/routing/discovery/dns/dns-addresses.ts'
import { FakeTiming } from '../fake-timing.ts'

const failure = (code: string) => Object.assign(new Error(code), { code })
const forever = new AbortController().signal

/** Addresses by name; a value of letters is the code of a failure. Each name is valid for ten seconds. */
function setUp(zone: Record<string, string[]>) {
  const asked: string[] = []
  let pending = 0
  let most = 0
  const answer = async (type: string, name: string, isMine: (address: string) => boolean) => {
    asked.push(`${name} ${type}`)
    most = Math.max(most, ++pending)
    await new Promise(resolve => setImmediate(resolve))
    pending--
    const values = zone[name]
    if (!values) throw failure('ENOTFOUND')
    if (/^E[A-Z]+$/.test(values[0] ?? '')) throw failure(values[0] as string)
    const mine = values.filter(isMine)
    if (mine.length === 0) throw failure('ENODATA')
    return mine.map(address => ({ address, ttl: 10 }))
  }
  const resolver = {
    resolve4: (name: string) => answer('A', name, address => !address.includes(':')),
    resolve6: (name: string) => answer('AAAA', name, address => address.includes(':')),
  } as unknown as AddressResolver
  const timing = new FakeTiming({ endAtOnce: true, random: 0 })
  const targets = new TargetAddresses(resolver, timing)
  return {
    asked,
    most: () => most,
    of: async (...names: string[]) => Object.fromEntries(await targets.of(names)),
    pass: (ms: number) => timing.sleep(ms, forever),
  }
}

t.test('IPv6 is asked for only where there is no IPv4 address; a name that does not exist has none', async t => {
  const { of, asked } = setUp({ both: ['10.0.0.1', 'fd00::1'], six: ['fd00::2'], empty: [] })
  t.strictSame(await of('both', 'six', 'empty', 'gone', 'both'), {
    both: ['10.0.0.1'],
    six: ['fd00::2'],
    empty: [],
    gone: [],
  })
  t.strictSame(
    asked.filter(question => question.startsWith('both')),
    ['both A'],
  )
})

t.test('an answer is used for its TTL, and no longer', async t => {
  const zone = { chat: ['10.0.0.1'] }
  const { of, asked, pass } = setUp(zone)
  await of('chat')
  zone.chat = ['10.0.0.2']
  await pass(9999)
  t.strictSame(await of('chat'), { chat: ['10.0.0.1'] })
  t.equal(asked.length, 1)
  await pass(1)
  t.strictSame(await of('chat'), { chat: ['10.0.0.2'] })
})

t.test('an address that its name spells is asked for again only after minutes', async t => {
  const { of, asked, pass } = setUp({
    '10-0-0-1.chat': ['10.0.0.1'],
    '10-0-0-9.chat': ['10.0.0.2'],
    '10-0-0-3.chat': ['10.0.0.3', '10.0.0.4'],
  })
  const names = ['10-0-0-1.chat', '10-0-0-9.chat', '10-0-0-3.chat']
  await of(...names)
  await pass(149_999)
  asked.length = 0
  await of(...names)
  t.strictSame(asked, ['10-0-0-9.chat A', '10-0-0-3.chat A'], 'those that spell another, or have two, are asked for')
  await pass(1)
  await of('10-0-0-1.chat')
  t.equal(asked.at(-1), '10-0-0-1.chat A')
})

t.test('a name that is not listed any more is forgotten: listed again, it is asked for again', async t => {
  const { of, asked } = setUp({ chat: ['10.0.0.1'] })
  await of('chat')
  await of()
  await of('chat')
  t.equal(asked.length, 2)
})

t.test('a name that does not exist is asked for each time', async t => {
  const zone: Record<string, string[]> = {}
  const { of } = setUp(zone)
  t.strictSame(await of('chat'), { chat: [] })
  zone['chat'] = ['10.0.0.1']
  t.strictSame(await of('chat'), { chat: ['10.0.0.1'] })
})

t.test('a failed query fails the round; those of earlier batches are not repeated', async t => {
  const names = Array.from({ length: 32 }, (_, n) => `pod-${n}`)
  const zone: Record<string, string[]> = { last: ['ESERVFAIL'] }
  for (const name of names) zone[name] = ['10.0.0.1']
  const { of, asked, most } = setUp(zone)
  await t.rejects(of(...names, 'last'), { code: 'ESERVFAIL' })
  zone['last'] = ['10.0.0.2']
  await of(...names, 'last')
  t.equal(asked.length, 34)
  t.equal(most(), 32, 'a socket buffer holds only so many answers')
})

t.test('an address is spelled as Kubernetes writes it in the name of a pod', async t => {
  t.equal(spelled('10.244.0.5'), '10-244-0-5')
  t.equal(spelled('FD00::1'), 'fd00--1')
})

t.test('no name and no record are no failure, anything else is', async t => {
  for (const [code, none, noName] of [
    ['ENOTFOUND', true, true],
    ['ENODATA', true, false],
    ['ESERVFAIL', false, false],
    ['ETIMEOUT', false, false],
  ] as const) {
    t.equal(isNone(failure(code)), none, code)
    t.equal(isNoName(failure(code)), noName, code)
    if (none) t.strictSame(await orNone(Promise.reject(failure(code))), [])
    else await t.rejects(orNone(Promise.reject(failure(code))), { code })
  }
  t.strictSame(await orNone(Promise.resolve([1])), [1])
})
