import t from 'tap'
import { REASONS, RESULTS, rehomeMetrics } from '../../../balancer/rehome/rehome-metrics.ts'
import { Metrics } from '../../../lib/service/metrics.ts'

function setUp() {
  const metrics = new Metrics()
  const view = { waiting: 0, isSuspended: false }
  const rehomes = rehomeMetrics(metrics, { waiting: () => view.waiting, isSuspended: () => view.isSuspended })
  return { rehomes, view, text: () => metrics.registry.metrics() }
}

t.test('a move of each reason is there from the start, so that a rate has a beginning', async t => {
  const { text } = setUp()
  for (const reason of REASONS)
    t.match(await text(), `ws_operator_rehomes_total{reason="${reason}",result="moved"} 0\n`)
})

t.test('each move counts once, by reason and result', async t => {
  const { rehomes, text } = setUp()
  for (const reason of REASONS) for (const result of RESULTS) rehomes.count(reason, result, 0.1)
  rehomes.count('crash', 'timeout', 0.1)
  for (const reason of REASONS)
    for (const result of RESULTS) {
      const count = reason === 'crash' && result === 'timeout' ? 2 : 1
      t.match(await text(), `ws_operator_rehomes_total{reason="${reason}",result="${result}"} ${count}\n`)
    }
})

t.test('only connections that have moved have a duration', async t => {
  const { rehomes, text } = setUp()
  for (const result of RESULTS) rehomes.count('drain', result, result === 'moved' ? 0.03 : 7)
  t.match(await text(), 'ws_operator_rehome_duration_seconds_count 1\n')
  t.match(await text(), 'ws_operator_rehome_duration_seconds_sum 0.03\n')
})

t.test('how many wait, and whether moves are suspended, is as it is when asked', async t => {
  const { view, text } = setUp()
  t.match(await text(), 'ws_operator_moves_waiting 0\n')
  t.match(await text(), 'ws_operator_moves_suspended 0\n')
  Object.assign(view, { waiting: 7, isSuspended: true })
  t.match(await text(), 'ws_operator_moves_waiting 7\n')
  t.match(await text(), 'ws_operator_moves_suspended 1\n')
})
