import { pino } from 'pino'
import t from 'tap'
import { createDiscovery, type DiscoveryConfig } from '../../../../lib/routing/discovery/discovery.ts'
import { MemberWatch } from '../../../../lib/routing/discovery/member-watch.ts'
import type { MemberSink, MemberSource } from '../../../../lib/routing/discovery/source.ts'
import { type MemberChange, parseMembers } from '../../../../lib/routing/members.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'

interface LogLine {
  level: string
  msg: string
  [field: string]: unknown
}

/** A watch whose source is the test, and what it logs and counts. */
function setUp() {
  let sink: MemberSink | undefined
  let stopped = false
  const source: MemberSource = (given, signal) => {
    sink = given
    return new Promise(resolve =>
      signal.addEventListener('abort', () => {
        stopped = true
        resolve()
      }),
    )
  }
  const lines: LogLine[] = []
  const log = pino(
    { level: 'debug', base: {}, formatters: { level: level => ({ level }) } },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  )
  const metrics = new Metrics()
  const watch = new MemberWatch(source, { source: 'test', log, metrics })
  const changes: MemberChange[] = []
  watch.onChange((_members, change) => changes.push(change))
  return {
    watch,
    lines,
    metrics,
    changes,
    answer: (text: string) => sink?.answer(parseMembers(text)),
    fail: (message: string) => sink?.failed(new Error(message)),
    isStopped: () => stopped,
    names: () => watch.members.members.map(({ name }) => name).join(),
  }
}

t.test('the start ends with the first answer', async t => {
  const { watch, answer, names } = setUp()
  const started = watch.start()
  t.equal(watch.synced, false)
  t.equal(watch.members.size, 0)
  answer('b:1,a:1')
  await started
  t.equal(watch.synced, true)
  t.equal(names(), 'a:1,b:1')
  await watch.stop()
})

t.test('the start ends with the first failure too, and a later answer still counts', async t => {
  const { watch, answer, fail, names } = setUp()
  const started = watch.start()
  fail('no route')
  await started
  t.equal(watch.synced, false)
  answer('a:1')
  t.equal(watch.synced, true)
  t.equal(names(), 'a:1')
  await watch.stop()
})

t.test(
  'an empty or failed answer never empties a list that is known; it is logged once and counted each time',
  async t => {
    const { watch, answer, fail, names, lines, metrics, changes } = setUp()
    void watch.start()
    answer('a:1,b:1')
    lines.length = 0
    for (let i = 0; i < 3; i++) answer('')
    for (let i = 0; i < 2; i++) fail('API server: 503')
    t.equal(names(), 'a:1,b:1')
    t.equal(changes.length, 1)

    const warnings = lines.filter(({ level }) => level === 'warn')
    t.match(warnings, [
      { reason: 'empty', kept: 2, msg: /knows no member; the members known so far are kept/ },
      { reason: 'failed', kept: 2, msg: /API server: 503/ },
    ])
    t.equal(warnings.length, 2)
    const text = await metrics.registry.metrics()
    t.match(text, 'ws_operator_discovery_ignored_total{reason="empty"} 3')
    t.match(text, 'ws_operator_discovery_ignored_total{reason="failed"} 2')
    t.match(text, 'ws_operator_members 2')

    lines.length = 0
    answer('a:1,b:1')
    t.match(lines, [{ level: 'info', msg: 'discovery works again' }])
    t.equal(lines.length, 1)
    await watch.stop()
  },
)

t.test('an empty first answer is an answer', async t => {
  const { watch, answer } = setUp()
  const started = watch.start()
  answer('')
  await started
  t.equal(watch.synced, true)
  t.equal(watch.members.size, 0)
  await watch.stop()
})

t.test('listeners hear of changes, and only of changes', async t => {
  const { watch, answer, changes } = setUp()
  void watch.start()
  const seen: number[] = []
  watch.onChange(() => {
    throw new Error('a bug in one listener')
  })
  const end = watch.onChange(members => seen.push(members.size))
  answer('a:1')
  answer('a:1')
  answer('a:1=2')
  answer('b:1,c:1')
  end()
  answer('c:1')
  t.strictSame(seen, [1, 1, 2], 'a failing listener does not keep it from the others')
  t.match(changes, [
    { added: [{ name: 'a:1' }] },
    { added: [], removed: [], changed: [{ name: 'a:1', weight: 2 }] },
    { added: [{ name: 'b:1' }, { name: 'c:1' }], removed: [{ name: 'a:1' }] },
    { removed: [{ name: 'b:1' }] },
  ])
  t.equal(changes.length, 4)
  await watch.stop()
})

t.test('nothing changes after the stop, and a start that waits for an answer ends', async t => {
  const { watch, answer, fail, isStopped, names, lines } = setUp()
  const started = watch.start()
  await watch.stop()
  await started
  t.ok(isStopped())
  lines.length = 0
  answer('a:1')
  fail('late')
  t.equal(names(), '')
  t.strictSame(lines, [])
})

t.test('the configured discovery is made', async t => {
  const log = pino({ level: 'silent' })
  const config: DiscoveryConfig = {
    DISCOVERY: 'static',
    MEMBERS: parseMembers('a:1,b:1=3'),
    MEMBERS_FILE: '/nowhere/members.json',
    SRV_DNS_RECORD: '_ws-proxy._tcp.invalid.',
    SERVICE: 'default/chat',
  }
  const discovery = createDiscovery(config, { log })
  await discovery.start()
  t.equal(discovery.synced, true)
  t.equal(discovery.members.get('b:1')?.weight, 3)
  await discovery.stop()
  t.equal(discovery.members.size, 2, 'still readable')

  // This test may itself run in a pod.
  delete process.env['KUBERNETES_SERVICE_HOST']
  for (const DISCOVERY of ['file', 'kubernetes'] as const) {
    const other = createDiscovery({ ...config, DISCOVERY }, { log })
    await other.start()
    t.equal(other.synced, false, `${DISCOVERY}: nothing to be found here, and no crash`)
    await other.stop()
  }
  const dns = createDiscovery({ ...config, DISCOVERY: 'dns' }, { log })
  t.equal(dns.members.size, 0)
  await dns.stop()
})
