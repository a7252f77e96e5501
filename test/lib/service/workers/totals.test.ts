import t from 'tap'
import { Metrics } from '../../../../lib/service/metrics.ts'
import { Totals } from '../../../../lib/service/workers/totals.ts'

/** The metrics of one process of a program. */
function process_() {
  const metrics = new Metrics()
  return {
    snapshot: () => metrics.registry.getMetricsAsJSON(),
    routed: metrics.counter('routed_total', 'Counted.', { labelNames: ['outcome'] }),
    open: metrics.gauge('open', 'Now.'),
    members: metrics.gauge('members', 'The same for all.', { aggregator: 'max' }),
    took: metrics.histogram('took_seconds', 'Times.', { buckets: [0.1, 1] }),
  }
}

/** Samples of the text format, without comments, without what every process has. */
const samples = (text: string) =>
  text.split('\n').filter(line => line !== '' && !line.startsWith('#') && !line.includes('process_'))

t.test('counters, histograms and gauges are sums, unless a metric says otherwise', async t => {
  const totals = new Totals()
  const [one, two] = [process_(), process_()]
  one.routed.inc({ outcome: 'delivered' }, 3)
  two.routed.inc({ outcome: 'delivered' }, 4)
  two.routed.inc({ outcome: 'offline' })
  one.open.set(10)
  two.open.set(20)
  one.members.set(3)
  two.members.set(3)
  one.took.observe(0.05)
  two.took.observe(0.5)
  two.took.observe(5)
  totals.update(1, await one.snapshot())
  totals.update(2, await two.snapshot())
  const text = await totals.text(await new Metrics().registry.getMetricsAsJSON(), new Set([1, 2]))
  t.strictSame(samples(text), [
    'ws_operator_routed_total{outcome="delivered"} 7',
    'ws_operator_routed_total{outcome="offline"} 1',
    'ws_operator_open 30',
    'ws_operator_members 3',
    'ws_operator_took_seconds_bucket{le="0.1"} 1',
    'ws_operator_took_seconds_bucket{le="1"} 2',
    'ws_operator_took_seconds_bucket{le="+Inf"} 3',
    'ws_operator_took_seconds_sum 5.55',
    'ws_operator_took_seconds_count 3',
  ])
  t.match(text, '# TYPE ws_operator_took_seconds histogram')
  t.match(text, '# TYPE ws_operator_process_cpu_seconds_total counter')
})

t.test('what a process counted stays when it ends; what it had open does not', async t => {
  const totals = new Totals()
  const own = await new Metrics().registry.getMetricsAsJSON()
  for (const id of [1, 2, 3]) {
    const gone = process_()
    gone.routed.inc({ outcome: 'delivered' }, 5)
    gone.open.set(7)
    gone.took.observe(0.5)
    totals.update(id, await gone.snapshot())
    totals.retire(id)
  }
  totals.retire(4)
  const left = process_()
  left.routed.inc({ outcome: 'delivered' })
  left.open.set(1)
  totals.update(5, await left.snapshot())
  const text = samples(await totals.text(own, new Set([5])))
  t.ok(text.includes('ws_operator_routed_total{outcome="delivered"} 16'), text.join('\n'))
  t.ok(text.includes('ws_operator_open 1'))
  t.ok(text.includes('ws_operator_took_seconds_count 3'))
})

t.test('of a process that did not answer this time, what cannot go down still counts', async t => {
  const totals = new Totals()
  const mute = process_()
  mute.routed.inc({ outcome: 'delivered' }, 5)
  mute.open.set(7)
  totals.update(1, await mute.snapshot())
  const text = samples(await totals.text(await new Metrics().registry.getMetricsAsJSON(), new Set()))
  t.ok(text.includes('ws_operator_routed_total{outcome="delivered"} 5'), text.join('\n'))
  t.notOk(text.some(line => line.startsWith('ws_operator_open')))
})
