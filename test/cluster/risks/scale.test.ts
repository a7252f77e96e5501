import t from 'tap'
import type { Metrics } from '../../../lib/service/metrics.ts'
import { DOMAIN, ENABLE_LABEL } from '../../../lib/service/names.ts'
import type { KubeObject } from '../api.ts'
import { kubectl } from '../kubectl.ts'
import { stays, waitFor } from '../wait.ts'
import { say, setUp } from './bench.ts'
import { app, type Place, sidecar, status } from './place.ts'

const DEPLOYMENTS = 100
const RESYNCS = 10
const CONVERGES_MS = 300_000

t.test(`R22 ${DEPLOYMENTS} labelled Deployments, each with a balancer`, async t => {
  const bench = await setUp(t)
  const { hooks, resync } = bench
  const place = await bench.place()
  const names = Array.from({ length: DEPLOYMENTS }, (_, i) => `app-${String(i).padStart(3, '0')}`)
  const annotations = { [`${DOMAIN}/balancer`]: 'auto', [`${DOMAIN}/balancer-replicas`]: '0' }
  const all = () => place.list('apps/v1', 'Deployment')

  const from = Date.now()
  const patches = await patchCounter()
  await Promise.all(names.map(name => place.create(app(name, { annotations }))))
  const created = Date.now() - from
  await waitFor(
    'all are injected and have their balancer',
    async () => {
      const now = await all()
      const injected = now.filter(one => status(one) === 'Injected' && sidecar(one))
      const balancers = now.filter(({ metadata }) => metadata.name.endsWith('-balancer'))
      return injected.length === DEPLOYMENTS && balancers.length === DEPLOYMENTS
    },
    CONVERGES_MS,
  )
  const converged = Date.now() - from
  t.pass(`converged ${converged} ms after the first was sent (creating them took ${created} ms of it)`)
  await report(hooks.metrics, hooks.calls.length, 'to converge', await patches())

  const kinds = await observedKinds(place)
  const versions = async () => {
    const lists = await Promise.all(kinds.map(([apiVersion, kind]) => place.list(apiVersion, kind)))
    return lists.flat().map(version).sort()
  }
  await resync(place, names)
  await waitFor('quiet', async () => stays('', versions, await versions()), CONVERGES_MS)
  const before = await versions()
  t.ok(
    before.length > 5 * DEPLOYMENTS,
    `${before.length} objects are looked at: ${kinds.map(([, kind]) => kind).join(', ')}`,
  )

  const calls = hooks.calls.length
  const since = Date.now()
  const patchesSince = await patchCounter()
  for (let i = 0; i < RESYNCS; i++) await resync(place, names)
  t.ok(await stays('every resourceVersion is as it was', versions, before))
  say(`R22 ${RESYNCS} forced syncs took ${Date.now() - since} ms`)
  await report(hooks.metrics, hooks.calls.length - calls, `in ${RESYNCS} forced syncs`, await patchesSince())

  const end = Date.now()
  await place.kubectl('delete', 'deployments', '-l', `${ENABLE_LABEL}=true`, '--wait=false')
  await waitFor('all are gone, and their balancers', async () => (await all()).length === 0, CONVERGES_MS)
  t.pass(`all are deleted after ${Date.now() - end} ms`)
})

const version = ({ kind, metadata: { name, resourceVersion } }: KubeObject) => `${kind} ${name} ${resourceVersion}`

/** Every kind of which something in the namespace is made by the operator or for it. */
async function observedKinds({ api, namespace }: Place): Promise<[string, string][]> {
  const text = await kubectl(['api-resources', '--namespaced', '--verbs=list', '--no-headers', '-o', 'wide'])
  const kinds = text
    .trim()
    .split('\n')
    .map(line => line.trim().split(/\s+/))
    .map(words => words.slice(words.findIndex(word => /^(\w[\w.-]*\/)?v\d\w*$/.test(word))))
    .map(([apiVersion = '', , kind = '']) => [apiVersion, kind] as [string, string])
    .filter(([apiVersion, kind]) => kind !== 'Event' && !apiVersion.startsWith('metrics'))
  const found = await Promise.all(
    kinds.map(async ([apiVersion, kind]) => {
      const { items } = await api.list(await api.resource(apiVersion, kind), namespace)
      return items.length > 0 ? [[apiVersion, kind] as [string, string]] : []
    }),
  )
  return found.flat()
}

/** Counts PATCH requests that the API server has answered since, by resource. */
async function patchCounter(): Promise<() => Promise<Record<string, number>>> {
  const read = async () => {
    const text = await kubectl(['get', '--raw', '/metrics'])
    const counts: Record<string, number> = {}
    for (const line of text.split('\n')) {
      const [, labels, value] = /^apiserver_request_total\{(.*)\} (\S+)$/.exec(line) ?? []
      if (!labels || !/verb="(PATCH|APPLY)"/.test(labels)) continue
      const [, resource = ''] = /[,{]resource="([^"]*)"/.exec(`,${labels}`) ?? []
      counts[resource] = (counts[resource] ?? 0) + Number(value)
    }
    return counts
  }
  const before = await read()
  return async () => {
    const now = await read()
    const grown = Object.entries(now).map(([resource, count]) => [resource, count - (before[resource] ?? 0)] as const)
    return Object.fromEntries(grown.filter(([, count]) => count > 0))
  }
}

async function report(metrics: Metrics, calls: number, when: string, patches: Record<string, number>): Promise<void> {
  const total = Object.values(patches).reduce((sum, count) => sum + count, 0)
  const each = Object.entries(patches).map(([resource, count]) => `${resource} ${count}`)
  say(`R22 ${when}: ${calls} hook calls, ${total} PATCH requests (${each.join(', ')})`)
  const text = await metrics.registry.metrics()
  for (const hook of ['/decorator/sync', '/composite/sync']) {
    const p99 = quantile(text, 'ws_operator_hook_duration_seconds', `hook="${hook}"`, 0.99)
    say(`R22 ${when}: ${hook} p99 at most ${1000 * p99} ms, since the start`)
  }
}

/** Upper bound of the bucket in which a quantile of a histogram lies. */
function quantile(text: string, name: string, label: string, q: number): number {
  const buckets = text
    .split('\n')
    .filter(line => line.startsWith(`${name}_bucket{`) && line.includes(label))
    .map(
      line =>
        [Number(/le="([^"]+)"/.exec(line)?.[1]?.replace('+Inf', 'Infinity')), Number(line.split(' ').at(-1))] as const,
    )
  const total = buckets.at(-1)?.[1] ?? 0
  return buckets.find(([, count]) => count >= q * total)?.[0] ?? Number.NaN
}
