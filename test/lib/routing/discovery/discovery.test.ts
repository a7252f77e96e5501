import { pino } from 'pino'
import t from 'tap'
import { createDiscovery, type DiscoveryConfig } from '../../../../lib/routing/discovery/discovery.ts'
import { parseMembers } from '../../../../lib/routing/members.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'

const log = pino({ level: 'silent' })
const config: DiscoveryConfig = {
  DISCOVERY: 'static',
  MEMBERS: parseMembers('a:1,b:1=3'),
  MEMBERS_FILE: '/nowhere/members.json',
  // A label that is too long: no resolver is asked for it.
  SRV_DNS_RECORD: `${'x'.repeat(64)}.chat.`,
  SERVICE: 'default/chat',
}

t.test('static: the configured members, still readable after the stop', async t => {
  const discovery = createDiscovery(config, { log })
  await discovery.start()
  t.equal(discovery.synced, true)
  t.strictSame(discovery.members.members.map(({ name }) => name).sort(), ['a:1', 'b:1'])
  t.equal(discovery.members.get('b:1')?.weight, 3)
  await discovery.stop()
  t.equal(discovery.members.size, 2)
})

t.test('file: the members in the file, and none of those configured', async t => {
  const folder = t.testdir({ 'members.json': JSON.stringify(['c:1']) })
  const MEMBERS_FILE = `${folder}/members.json`
  const discovery = createDiscovery({ ...config, DISCOVERY: 'file', MEMBERS_FILE }, { log })
  t.teardown(() => discovery.stop())
  await discovery.start()
  t.strictSame(
    discovery.members.members.map(({ name }) => name),
    ['c:1'],
  )
})

t.test('each other source says what it could not read, by its own setting', async t => {
  // This test may itself run in a pod.
  delete process.env['KUBERNETES_SERVICE_HOST']
  for (const [DISCOVERY, problem] of [
    ['file', config.MEMBERS_FILE],
    ['dns', config.SRV_DNS_RECORD],
    ['kubernetes', config.SERVICE],
  ] as const) {
    const discovery = createDiscovery({ ...config, DISCOVERY }, { log })
    t.teardown(() => discovery.stop())
    await discovery.start()
    t.equal(discovery.synced, false, `${DISCOVERY}: nothing to be found here, and no crash`)
    t.match(discovery.problem, problem)
    t.equal(discovery.members.size, 0)
  }
})

t.test('its metrics are those of the program, if it has any', async t => {
  const metrics = new Metrics()
  const discovery = createDiscovery(config, { log, metrics })
  t.teardown(() => discovery.stop())
  await discovery.start()
  t.match(await metrics.registry.metrics(), /^ws_operator_members 2$/m)
})
