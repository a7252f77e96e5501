import t from 'tap'
import { CASES } from '../../../bench/cases/cases.ts'
import { noErrors } from '../../../bench/load/job.ts'
import { type Options, parseOptions } from '../../../bench/options.ts'
import { balancer } from '../../../bench/peers/ours.ts'
import type { Peer } from '../../../bench/peers/peer.ts'
import { page, type Run } from '../../../bench/report/page.ts'
import { Results } from '../../../bench/report/results.ts'

const peer = (name: string, title: string): Peer => ({
  name,
  title,
  shape: 'proxy',
  about: () => `${title} 1.0`,
  start: () => Promise.reject(new Error('not here')),
})
const nginx = peer('nginx', 'nginx')
const haproxy = peer('haproxy', 'HAProxy')
const cases = CASES.filter(({ name }) => name === 'echo-1x128')

function run(results: Results, ...args: string[]): Run {
  return {
    command: 'npm run bench',
    options: parseOptions(args) as Options,
    machine: { summary: '2 cores', proxyCore: 0, loadCore: 1 },
    cases,
    peers: [nginx, balancer],
    about: ['nginx 1.0', 'ours 0.1'],
    leftOut: [{ peer: haproxy, reason: 'haproxy is not installed' }],
    results,
  }
}

function measured(...pairs: [number, number][]): Results {
  const results = new Results()
  for (const [repetition, [reference, ours]] of pairs.entries()) {
    results.add(repetition, 'echo-1x128', 'nginx', { figures: { perCpuSecond: reference }, errors: noErrors() })
    results.add(repetition, 'echo-1x128', 'ours', { figures: { perCpuSecond: ours }, errors: noErrors() })
  }
  return results
}

t.test('medians, spreads and ratios to nginx in the same repetition', async t => {
  const results = measured([1000, 600], [2000, 1000], [3000, 1500])
  const text = page(run(results))
  t.match(text, '| case | nginx | our balancer |')
  t.match(text, 'per CPU-second | 2,000 | 1,000 (0.50) |')
  t.match(text, '| nginx | 2,000 (1,000 to 3,000) | 1.00 (1.00 to 1.00) | – | – | 0 |')
  t.match(text, '| our balancer | 1,000 (600 to 1,500) | 0.50 (0.50 to 0.60) | – | – | 0 |')
  t.match(
    text,
    '| echo-1x128, our balancer: per CPU-second | at least 0.50 × nginx | 0.60 | 0.50 (0.50 to 0.60) | reached |',
  )
  t.match(text, '- nginx: nginx 1.0.\n- our balancer: ours 0.1.')
  t.match(text, '- HAProxy: left out, because haproxy is not installed.')
  t.match(text, '3 repetitions')
  t.notMatch(text, /quick run/)
  t.notMatch(text, /could not be measured/)
  t.ok(results.clean)
})

t.test('what routing costs is on the page where it was measured', async t => {
  const routing = [10, 100, 1000, 10_000].map(members => ({
    operation: 'owner',
    members,
    ns: { median: members, min: members, max: members },
  }))
  t.match(page({ ...run(measured()), routing }), '| owner | 10 ns (10 ns to 10 ns) |')
  t.notMatch(page(run(measured())), /## Routing/)
})

t.test('what went wrong is on the page, and the run is not clean', async t => {
  const results = measured([1000, 600])
  results.add(1, 'echo-1x128', 'ours', { figures: { perCpuSecond: 600 }, errors: { ...noErrors(), lost: 2, cut: 1 } })
  results.add(2, 'echo-1x128', 'ours', { figures: { perCpuSecond: 600 }, errors: { ...noErrors(), lost: 3 } })
  const text = page(run(results, '--quick'))
  t.match(text, '| 5 lost, 1 cut |')
  t.match(text, 'A quick run')
  t.notOk(results.clean)
})

t.test('what could not be measured is on the page, and the run is not clean', async t => {
  const results = measured()
  results.add(0, 'echo-1x128', 'nginx', { figures: { perCpuSecond: 1000 }, errors: noErrors() })
  results.addFailure('echo-1x128', 'ours', 'did not start')
  const text = page(run(results))
  t.match(text, 'per CPU-second | 1,000 | failed |')
  t.match(text, '| our balancer | – | – | – | – | 1 × failed |')
  t.match(text, '- echo-1x128, our balancer: did not start')
  t.notOk(results.clean)
  results.add(1, 'echo-1x128', 'ours', { figures: { perCpuSecond: 500 }, errors: noErrors() })
  t.match(page(run(results)), '| our balancer | 500 (500 to 500) | – | – | – | 1 × failed |', 'no nginx beside it')
})
