import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { REASONS, RESULTS } from '../../../balancer/rehome/rehome-metrics.ts'
import { ERRORS } from '../../../lib/service/http/errors.ts'
import { createLogger } from '../../../lib/service/log/log.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { WorkerPool } from '../../../lib/service/workers/pool.ts'
import { OUTCOMES } from '../../../sidecar/transport/outcome.ts'
import { startApp } from '../../helpers/app.ts'
import { build, type Manifest, noKubectl } from '../../helpers/kustomize.ts'
import { startStack } from '../../helpers/stack.ts'
import { startHooks } from '../../hooks/helper.ts'

const root = join(import.meta.dirname, '../../..')
const folder = join(root, 'manifests/components/monitoring')
const { spec } = parse(readFileSync(join(folder, 'rules.yaml'), 'utf8'))
const alerts: Manifest[] = spec.groups.flatMap(({ rules }: Manifest) => rules)
const dashboard = JSON.parse(readFileSync(join(folder, 'dashboard.json'), 'utf8'))

/** Every PromQL expression, by where it stands. */
const expressions: [where: string, text: string][] = [
  ...alerts.map(({ alert, expr }): [string, string] => [alert, expr]),
  ...dashboard.panels.flatMap(({ title, targets }: Manifest) => targets.map(({ expr }: Manifest) => [title, expr])),
  ...dashboard.templating.list.flatMap(({ name, type, query }: Manifest) =>
    type === 'query' ? [[`variable ${name}`, query]] : [],
  ),
]

/** Metrics with their labels, as the programs have them: real ones, before they have done anything. */
async function known(t: Parameters<typeof startStack>[0]): Promise<Map<string, Set<string>>> {
  const app = await startApp(t)
  const { sidecars, balancer } = await startStack(t, [app])
  const hooks = await startHooks(t as never)
  const pool = new Metrics()
  new WorkerPool({ count: 2, log: createLogger('balancer', 'test', 'silent'), metrics: pool })
  const metrics = new Map<string, Set<string>>()
  for (const source of [sidecars[0]!.metrics, balancer.metrics, hooks.metrics, pool]) {
    for (const metric of source.registry.getMetricsAsArray()) {
      // prom-client does not type what every metric has.
      const { name, type, labelNames } = metric as unknown as { name: string; type: string; labelNames: string[] }
      const names = type === 'histogram' ? ['_bucket', '_sum', '_count'].map(end => name + end) : [name]
      for (const one of names) metrics.set(one, new Set([...labelNames, ...(type === 'histogram' ? ['le'] : [])]))
    }
  }
  return metrics
}

/** Labels that the PodMonitors and Prometheus add. */
const ADDED = ['job', 'namespace', 'pod', 'container', 'app']

t.test('every metric and label in rules and dashboard is one of the programs', async t => {
  const metrics = await known(t)
  t.ok(expressions.length > 20)
  for (const [where, text] of expressions) {
    const used = [...text.matchAll(/\b(ws_operator_[a-z_]+)\b(?:\{([^}]*)\})?/g)]
    t.ok(used.length > 0 || text.startsWith('absent(up'), where)
    for (const [, name = '', matchers = ''] of used) {
      const labels = metrics.get(name)
      if (!labels) {
        t.fail(`${where}: no program has ${name}`)
        continue
      }
      for (const [, label = ''] of matchers.matchAll(/([a-z_]+)(?:=~|=|!=|!~)"/g))
        t.ok(labels.has(label) || ADDED.includes(label), `${where}: ${name} has ${label}`)
    }
    const grouped = [...text.matchAll(/by \(([^)]+)\)/g)].flatMap(([, list = '']) => list.split(', '))
    const own = new Set(used.flatMap(([, name = '']) => [...(metrics.get(name) ?? [])]))
    for (const label of grouped) t.ok(own.has(label) || ADDED.includes(label), `${where}: by ${label}`)
  }
})

t.test('the values that are looked for exist', async t => {
  const values: Record<string, readonly string[]> = {
    reason: [...REASONS, ...Object.values(ERRORS).map(({ code }) => code.replace('WSO_ERR_', '').toLowerCase())],
    result: RESULTS,
    outcome: [...OUTCOMES, 'error', 'bad_request', 'unauthorized', 'pending', 'refused', 'removal_blocked'],
  }
  let seen = 0
  for (const [where, text] of expressions) {
    for (const [, label = '', found = ''] of text.matchAll(/(reason|result|outcome)=~?"([^"]+)"/g)) {
      for (const value of found.split('|')) {
        t.ok(values[label]?.includes(value), `${where}: ${label}=${value}`)
        seen++
      }
    }
  }
  t.ok(seen > 10)
})

t.test('each alert says what is wrong, what it means, and where it is written what to do', async t => {
  const headings = [...readFileSync(join(root, 'docs/guides/operate.md'), 'utf8').matchAll(/^#+ (\w+)$/gm)].map(
    ([, heading = '']) => heading,
  )
  for (const { alert, labels, annotations } of alerts) {
    t.match(labels.severity, /^(critical|warning|info)$/, alert)
    t.match(annotations.summary, /\.$/, alert)
    t.match(annotations.description, /\.$/, alert)
    t.equal(annotations.runbook, `docs/guides/operate.md#${alert.toLowerCase()}`)
    t.ok(headings.includes(alert), `docs/guides/operate.md has a section ${alert}`)
  }
})

t.test('the ports and labels that are scraped are those of the pods', { skip: noKubectl }, async t => {
  const built = build('with-metacontroller', 'monitoring')
  for (const { metadata, spec } of built.filter(({ kind }) => kind === 'PodMonitor')) {
    const name = spec.selector.matchLabels?.['app.kubernetes.io/name']
    const deployment = built.find(one => one.kind === 'Deployment' && one.metadata.name === name)
    if (!deployment) continue
    const ports = deployment.spec.template.spec.containers.flatMap((container: Manifest) => container.ports)
    t.ok(
      ports.some((port: Manifest) => port.name === spec.podMetricsEndpoints[0].port),
      metadata.name,
    )
  }
  const { data, metadata } = built.find(({ kind }) => kind === 'ConfigMap')
  t.equal(metadata.labels.grafana_dashboard, '1')
  t.strictSame(JSON.parse(data['ws-operator.json']), dashboard)
})

const noPromtool =
  spawnSync('promtool', ['--version'], { timeout: 20_000 }).status !== 0 &&
  'no promtool (Debian: the package prometheus) to check them with'

t.test('Prometheus takes the rules, and they fire when they should', { skip: noPromtool }, async t => {
  const dir = t.testdir({
    'rules.yml': stringify(spec),
    'test.yml': readFileSync(join(import.meta.dirname, 'alerts.yaml'), 'utf8'),
  })
  for (const args of [
    ['check', 'rules', join(dir, 'rules.yml')],
    ['test', 'rules', join(dir, 'test.yml')],
  ]) {
    const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8', timeout: 60_000 })
    t.equal(status, 0, `promtool ${args.slice(0, 2).join(' ')}`, { stdout, stderr })
  }
})
