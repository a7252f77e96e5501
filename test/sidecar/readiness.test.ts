import { Resolver } from 'node:dns/promises'
import t, { type Test } from 'tap'
import { dnsSource } from '../../lib/routing/discovery/dns/dns.ts'
import { MemberWatch } from '../../lib/routing/discovery/member-watch.ts'
import { createLogger } from '../../lib/service/log/log.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import { buildApp } from '../../sidecar/app.ts'
import { loadSidecarConfig } from '../../sidecar/config.ts'
import { startApp } from '../helpers/app.ts'
import { waitFor } from '../helpers/wait.ts'
import { startDnsServer, type Zone } from '../lib/routing/discovery/dns-server.ts'
import { FakeTiming } from '../lib/routing/discovery/fake-timing.ts'

const RECORD = '_ws-proxy._tcp.chat-ws-proxy-headless.team-a.svc.cluster.local'
const SELF = '10.0.0.1:3000'
const CLUSTER: Zone = { 'kubernetes.default.svc.cluster.local A': ['10.96.0.1'] }

/** A sidecar that asks a real DNS server, which answers from the zone. */
async function start(t: Test, zone: Zone, hasApp = true) {
  const server = await startDnsServer(t, zone)
  const resolver = new Resolver({ timeout: 500, tries: 1 })
  resolver.setServers([server.address])
  const app = await startApp(t)
  if (!hasApp) await app.stop()
  const config = loadSidecarConfig({
    WS_OPERATOR_SELF: SELF,
    WS_OPERATOR_APP_PORT: String(app.port),
    WS_OPERATOR_DISCOVERY: 'dns',
    WS_OPERATOR_SRV_DNS_RECORD: RECORD,
  })
  const deps = { log: createLogger('sidecar', 's', 'silent'), metrics: new Metrics(), instance: 's' }
  const timing = new FakeTiming({ endAtOnce: true })
  const source = dnsSource(RECORD, { resolver, timing, search: ['.'] })
  const discovery = new MemberWatch(source, { ...deps, source: 'dns', graceMs: 60_000, timing: new FakeTiming() })
  const service = await buildApp(config, { ...deps, discovery })
  t.teardown(() => service.app.close())
  return {
    notReady: async () => service.notReady(),
    async alone() {
      return (await deps.metrics.registry.getSingleMetric('ws_operator_ready_alone')?.get())?.values[0]?.value
    },
  }
}

t.test('a DNS server that does not answer: not ready before it does, and then for good', async t => {
  const zone: Zone = { [`${RECORD} SRV`]: ['SERVFAIL'], ...CLUSTER, '10-0-0-1.chat A': ['10.0.0.1'] }
  const { notReady, alone } = await start(t, zone)
  t.match(await notReady(), /the other pods are not known yet: DNS record .*ESERVFAIL/)
  t.equal(await alone(), 0)
  zone[`${RECORD} SRV`] = ['3000 10-0-0-1.chat']
  await waitFor(async () => (await notReady()) === undefined, 'it is ready')
  t.equal(await alone(), 0)
  zone[`${RECORD} SRV`] = ['SERVFAIL']
  t.equal(await notReady(), undefined)
})

t.test('a DNS server that is not the cluster’s: never ready, with the reason', async t => {
  const { notReady } = await start(t, { 'example.com A': ['192.0.2.1'] })
  t.match(await notReady(), /kubernetes\.default\.svc\.cluster\.local\.? is known to the DNS server.*dnsPolicy/)
})

t.test('the first pod of an app is ready, for there is no other; that it never gets into the list is said', async t => {
  const zone: Zone = { ...CLUSTER, '10-0-0-1.chat A': ['10.0.0.1'], '10-0-0-2.chat A': ['10.0.0.2'] }
  const { notReady, alone } = await start(t, zone)
  t.equal(await notReady(), undefined)
  t.equal(await alone(), 1)
  zone[`${RECORD} SRV`] = ['3000 10-0-0-2.chat']
  t.equal(await alone(), 1, 'others are known, and none of them knows this one')
  zone[`${RECORD} SRV`] = ['3000 10-0-0-1.chat', '3000 10-0-0-2.chat']
  await waitFor(async () => (await alone()) === 0, 'it is listed')
})

t.test('an app that does not listen is the reason that is said first', async t => {
  const { notReady, alone } = await start(t, CLUSTER, false)
  t.match(await notReady(), /the app does not accept connections/)
  t.equal(await alone(), 0)
})
