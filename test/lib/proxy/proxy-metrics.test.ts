import t from 'tap'
import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { proxyMetrics } from '../../../lib/proxy/proxy-metrics.ts'
import { Metrics } from '../../../lib/service/metrics.ts'

const bridge = (client: number, upstream: number) =>
  ({ queuedBytes: side => (side === 'client' ? client : upstream) }) as Partial<Bridge> as Bridge

/** Lines of the metrics page, without comments. */
const lines = async (metrics: Metrics) =>
  (await metrics.registry.metrics()).split('\n').filter(line => /^ws/.test(line))

t.test('gauges tell the connections and queues of the moment', async t => {
  const metrics = new Metrics()
  const bridges = new Set<Bridge>()
  let plain = 0
  proxyMetrics(metrics, bridges, () => plain)
  bridges.add(bridge(10, 1)).add(bridge(20, 2))
  plain = 7
  const page = await lines(metrics)
  for (const line of [
    'ws_operator_connections 2',
    'ws_operator_plain_connections 7',
    'ws_operator_queue_bytes{side="client"} 30',
    'ws_operator_queue_bytes{side="upstream"} 3',
  ])
    t.ok(page.includes(line), line)
  bridges.clear()
  t.ok((await lines(metrics)).includes('ws_operator_queue_bytes{side="client"} 0'), 'also when the last one has gone')
})

t.test('each event is counted once, under its label', async t => {
  const metrics = new Metrics()
  const counters = proxyMetrics(metrics, new Set(), () => 0)
  counters.accepted()
  counters.refused('full')
  counters.refused('full')
  counters.ended('idle')
  counters.plain('passed')
  counters.shed('busy')
  const page = await lines(metrics)
  for (const line of [
    'ws_operator_upgrades_total{result="accepted"} 1',
    'ws_operator_upgrades_total{result="refused"} 2',
    'ws_operator_rejected_total{reason="full"} 2',
    'ws_operator_closed_total{cause="idle"} 1',
    'ws_operator_plain_requests_total{result="passed"} 1',
    'ws_operator_plain_connections_shed_total{reason="busy"} 1',
  ])
    t.ok(page.includes(line), line)
})
