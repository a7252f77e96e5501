import { Resolver } from 'node:dns/promises'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { dnsSource } from '../../../../../lib/routing/discovery/dns/dns.ts'
import { MemberWatch } from '../../../../../lib/routing/discovery/member-watch.ts'
import { waitFor } from '../../../../helpers/wait.ts'
import { startDnsServer, type Zone } from '../dns-server.ts'
import { FakeTiming } from '../fake-timing.ts'
import { record } from '../recording-sink.ts'

const RECORD = '_ws-proxy._tcp.chat.team-a.svc'
const FULL = `${RECORD}.cluster.local`

/** A source that asks a real DNS server, which answers from the zone. */
async function follow(t: Test, zone: Zone, { record: name = FULL, search = [] as string[], random = 0.5 } = {}) {
  const server = await startDnsServer(t, zone)
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([server.address])
  const timing = new FakeTiming({ random })
  const recorded = record(dnsSource(name, { resolver, timing, search }))
  t.teardown(() => recorded.stop())
  const round = () => waitFor(() => timing.asleep > 0, 'the end of a round')
  await round()
  return {
    ...recorded,
    asked: server.asked,
    timing,
    async again() {
      const before = timing.sleeps.length
      timing.wake()
      await waitFor(() => timing.sleeps.length > before, 'the end of another round')
    },
  }
}

/** What every cluster has. */
const CLUSTER: Zone = { 'kubernetes.default.svc.cluster.local A': ['10.96.0.1'] }

const twoPods = (): Zone => ({
  [`${FULL} SRV`]: ['3000 10-0-0-1.chat', '13000 10-0-0-2.chat'],
  '10-0-0-1.chat A': ['10.0.0.1'],
  '10-0-0-2.chat A': ['10.0.0.2'],
  ...CLUSTER,
})

t.test('members are the addresses of the targets of the SRV record, asked again every 2 to 3 s', async t => {
  const zone = twoPods()
  const { answers, failures, timing, again } = await follow(t, zone)
  t.strictSame(answers, ['10.0.0.1:3000,10.0.0.2:13000'])
  t.strictSame(timing.sleeps, [2500], 'with a random number of 0.5')
  zone[`${FULL} SRV`] = ['3000 10-0-0-3.chat']
  zone['10-0-0-3.chat A'] = ['10.0.0.3']
  await again()
  t.strictSame(answers.at(-1), '10.0.0.3:3000')
  t.strictSame(failures, [])
})

t.test(
  'pods that started together do not ask together: pauses are spread, after answers and after failures',
  async t => {
    for (const [random, pauses] of [
      [0, [2000, 125, 250]],
      [0.25, [2250, 156.25, 312.5]],
      [0.999, [2999, 249.875, 499.75]],
    ] as const) {
      const zone = twoPods()
      const { timing, again } = await follow(t, zone, { random })
      zone[`${FULL} SRV`] = ['SERVFAIL']
      await again()
      await again()
      t.strictSame(timing.sleeps, pauses, `with a random number of ${random}`)
    }
  },
)

t.test('members that are known stay while the record is gone, or its server fails', async t => {
  const zone = twoPods()
  const server = await startDnsServer(t, zone)
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([server.address])
  const timing = new FakeTiming({ endAtOnce: true })
  const lines: { reason?: string }[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const watch = new MemberWatch(dnsSource(FULL, { resolver, timing, search: [] }), {
    source: 'dns',
    log,
    graceMs: 60_000,
  })
  t.teardown(() => watch.stop())
  const names = () => watch.members.members.map(({ name }) => name).join()
  const told = (reason: string) => waitFor(() => lines.some(line => line.reason === reason), `an answer is ${reason}`)
  await watch.start()
  t.equal(names(), '10.0.0.1:3000,10.0.0.2:13000')
  zone[`${FULL} SRV`] = []
  await told('empty')
  zone[`${FULL} SRV`] = ['SERVFAIL']
  await told('failed')
  delete zone[`${FULL} SRV`]
  lines.length = 0
  await told('empty')
  t.equal(names(), '10.0.0.1:3000,10.0.0.2:13000')
  t.equal(watch.leaving.size, 0, 'and nobody is sent away')
  zone[`${FULL} SRV`] = ['3000 10-0-0-1.chat']
  await waitFor(() => watch.members.size === 1, 'an answer that is one counts again')
  t.strictSame([...watch.leaving], ['10.0.0.2:13000'])
})

t.test('IPv6 addresses count where there is no IPv4 address', async t => {
  const zone: Zone = {
    [`${FULL} SRV`]: ['3000 a.chat', '3000 b.chat'],
    'a.chat A': [],
    'a.chat AAAA': ['fd00:0000:0000:0000:0000:0000:0000:0001'],
    'b.chat AAAA': ['fd00:0000:0000:0000:0000:0000:0000:0002'],
  }
  const { answers, again } = await follow(t, zone)
  t.strictSame(answers, ['[fd00::1]:3000,[fd00::2]:3000'])
  zone['a.chat A'] = ['10.0.0.1']
  for (let n = 0; n < 2; n++) await again()
  t.equal(answers.at(-1), '10.0.0.1:3000', 'one family only: a pod must not be two members')
})

t.test('a name that does not exist is an empty answer, a server that fails is a failure', async t => {
  const zone = twoPods()
  const { answers, failures, timing, again } = await follow(t, zone)
  delete zone[`${FULL} SRV`]
  await again()
  t.equal(answers.at(-1), '')
  t.strictSame(failures, [])

  zone[`${FULL} SRV`] = ['SERVFAIL']
  timing.sleeps.length = 0
  for (let i = 0; i < 3; i++) await again()
  t.equal(failures.length, 3)
  t.match(failures[0], /^DNS record _ws-proxy.*ESERVFAIL/)
  t.strictSame(timing.sleeps, [187.5, 375, 750], 'with a back-off')

  zone[`${FULL} SRV`] = ['3000 10-0-0-1.chat']
  await again()
  t.equal(answers.at(-1), '10.0.0.1:3000')
  zone[`${FULL} SRV`] = ['SERVFAIL']
  await again()
  t.equal(timing.sleeps.at(-1), 187.5, 'which starts over after a success')
})

t.test('a target that is gone is left out; one that cannot be asked for fails the whole answer', async t => {
  const zone: Zone = {
    [`${FULL} SRV`]: ['3000 a.chat', '3000 b.chat'],
    'a.chat A': ['10.0.0.1'],
    'b.chat A': ['10.0.0.2'],
  }
  const { answers, failures, again } = await follow(t, zone)
  delete zone['b.chat A']
  // What the server has said holds for 5 s.
  await again()
  t.equal(answers.at(-1), '10.0.0.1:3000,10.0.0.2:3000')
  await again()
  t.equal(answers.at(-1), '10.0.0.1:3000')
  zone['a.chat A'] = ['IGNORE']
  await again()
  t.equal(answers.length, 4, 'known for 2.5 s')
  await again()
  t.equal(answers.length, 4)
  t.match(failures, [/ETIMEOUT/])
})

t.test('a hundred pods: each is asked for once, and then only the record', async t => {
  const numbers = Array.from({ length: 100 }, (_, i) => i)
  const nameOf = (i: number) => `10-0-1-${i}.chat`
  const zone: Zone = { [`${FULL} SRV`]: numbers.map(i => `3000 ${nameOf(i)}`) }
  for (const i of [...numbers, 100, 101]) zone[`${nameOf(i)} A`] = [`10.0.1.${i}`]
  const { answers, asked, again } = await follow(t, zone)
  t.equal(asked.length, 101)
  for (let n = 0; n < 20; n++) await again()
  t.equal(asked.length, 121, '20 rounds')
  // A rollout: some go, some come, and one comes back with the address of one that has gone.
  zone[`${FULL} SRV`] = [...numbers.slice(2), 100, 101].map(i => `3000 ${nameOf(i)}`)
  await again()
  t.equal(asked.length, 124, 'two new ones')
  t.equal(answers.at(-1)?.split(',').length, 100)
  zone[`${FULL} SRV`] = [...numbers.slice(1), 100, 101].map(i => `3000 ${nameOf(i)}`)
  zone[`${nameOf(1)} A`] = ['10.0.2.1']
  await again()
  t.equal(asked.length, 126, 'whoever was not listed is asked for again')
  t.ok(answers.at(-1)?.includes('10.0.2.1:3000'))
})

t.test(
  'a name that spells its address is asked for again after minutes, any other after the time that the server says',
  async t => {
    const zone: Zone = {
      [`${FULL} SRV`]: ['3000 10-0-0-1.chat', '3000 fd00--1.chat', '3000 pod-a.chat'],
      '10-0-0-1.chat A': ['10.0.0.1'],
      'fd00--1.chat A': [],
      'fd00--1.chat AAAA': ['fd00:0000:0000:0000:0000:0000:0000:0001'],
      'pod-a.chat A': ['10.0.0.7'],
    }
    const { answers, asked, again } = await follow(t, zone)
    const count = (question: string) => asked.filter(text => text === question).length
    zone['pod-a.chat A'] = ['10.0.0.8']
    for (let n = 0; n < 40; n++) await again()
    t.equal(answers.at(-1), '10.0.0.1:3000,10.0.0.8:3000')
    t.equal(count('pod-a.chat A'), 21, 'in 100 s')
    t.equal(count('10-0-0-1.chat A'), 1)
    t.equal(count('fd00--1.chat AAAA'), 1)
    for (let n = 0; n < 60; n++) await again()
    t.equal(count('10-0-0-1.chat A'), 2, 'in 250 s')
  },
)

t.test('that there is nothing counts only from a server that knows the cluster', async t => {
  for (const [title, witness] of [
    ['the API server’s Service', CLUSTER],
    ['the same with addresses of the other family', { 'kubernetes.default.svc.cluster.local A': [] }],
    ['the version of the specification', { 'dns-version.cluster.local TXT': ['1.1.0'] }],
    ['the record’s own name, which has nothing now', { [`${FULL} SRV`]: [] }],
  ] as const) {
    const { answers, failures } = await follow(t, { ...witness })
    t.strictSame([answers, failures], [[''], []], title)
  }
  const zone: Zone = { 'example.com A': ['192.0.2.1'] }
  const { answers, failures, again } = await follow(t, zone)
  t.strictSame(answers, [])
  t.match(failures, [/kubernetes\.default\.svc\.cluster\.local.*dnsPolicy/])
  zone['kubernetes.default.svc.cluster.local A'] = ['SERVFAIL']
  await again()
  t.match(failures[1], /ESERVFAIL/)
  t.strictSame(answers, [])
  const other = await follow(t, {}, { record: '_ws-proxy._tcp.chat.example.com' })
  t.strictSame(other.answers, [''], 'a name outside of any cluster')
})

t.test('a search domain that is the root adds nothing, and none makes a name with two dots', async t => {
  const { answers, failures, asked } = await follow(t, twoPods(), { search: ['.', 'team-a.svc.cluster.local.', ''] })
  t.strictSame(answers, ['10.0.0.1:3000,10.0.0.2:13000'])
  t.strictSame(failures, [])
  t.strictSame(
    asked.filter(question => question.endsWith(' SRV')),
    [`${FULL} SRV`],
  )
})

t.test('the search list is tried, and the name that exists is asked for first from then on', async t => {
  const zone = twoPods()
  zone[`${RECORD}.team-a.svc.cluster.local SRV`] = ['SERVFAIL']
  const search = ['team-a.svc.cluster.local', 'svc.cluster.local', 'cluster.local']
  const { answers, asked, again } = await follow(t, zone, { record: RECORD, search })
  t.strictSame(answers, ['10.0.0.1:3000,10.0.0.2:13000'])
  asked.length = 0
  await again()
  t.strictSame(
    asked.filter(question => question.endsWith(' SRV')),
    [`${FULL} SRV`],
  )
})

t.test('a name that ends with a dot is complete', async t => {
  const { answers, asked } = await follow(t, twoPods(), { record: `${RECORD}.`, search: ['cluster.local'] })
  t.strictSame(asked, [`${RECORD} SRV`])
  t.strictSame(answers, [''])
})

t.test('more targets than may be asked for at once', async t => {
  const numbers = Array.from({ length: 80 }, (_, i) => i)
  const zone: Zone = { [`${FULL} SRV`]: numbers.map(i => `3000 p${i}`) }
  for (const i of numbers) zone[`p${i} A`] = [`10.0.1.${i}`]
  const { answers } = await follow(t, zone)
  t.equal(answers[0]?.split(',').length, 80)
})

t.test('a stop does not wait for an answer', async t => {
  const zone = twoPods()
  const { timing, asked, failures, stop } = await follow(t, zone)
  zone[`${FULL} SRV`] = ['IGNORE']
  const before = asked.length
  timing.wake()
  await waitFor(() => asked.length > before, 'the question')
  await stop()
  t.ok(failures.length <= 1)
})
