import fc from 'fast-check'
import t from 'tap'
import { readSettings } from '../../../hooks/annotations/read-annotations.ts'
import { cpuMillis, memoryBytes } from '../../../hooks/annotations/values.ts'
import { isGuaranteed, sidecarResources } from '../../../hooks/sidecar/resources.ts'

const box = (resources: object) => ({ name: 'app', resources })
const equal = box({ requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1000m', memory: '1024Mi' } })
const limitsOnly = box({ limits: { cpu: 2, memory: '1Gi' } })

t.test('Guaranteed is what Kubernetes says: limits of both everywhere, and requests equal to them', async t => {
  const otherForms = box({ requests: { cpu: '0.1', memory: '128M' }, limits: { cpu: '100m', memory: '128000k' } })
  for (const yes of [[equal], [limitsOnly], [equal, limitsOnly], [otherForms]])
    t.ok(isGuaranteed(yes), JSON.stringify(yes))
  for (const no of [
    [],
    [{ name: 'app' }],
    [box({ limits: { cpu: '1' } })],
    [box({ limits: { memory: '1Gi' } })],
    [box({ requests: { cpu: '500m' }, limits: { cpu: '1', memory: '1Gi' } })],
    [equal, { name: 'init' }],
  ])
    t.notOk(isGuaranteed(no), JSON.stringify(no))
})

t.test('the pods stay Guaranteed with the sidecar, and no request is above its limit', async () => {
  const quantity = fc.constantFrom('5m', '20m', '300m', '2', undefined)
  fc.assert(
    fc.property(quantity, quantity, fc.boolean(), (request, limit, guaranteed) => {
      const annotations = Object.entries({ 'sidecar-cpu-request': request, 'sidecar-cpu-limit': limit }).flatMap(
        ([name, value]) => (value === undefined ? [] : [[`ws.operator/${name}`, value]]),
      )
      const read = readSettings(Object.fromEntries(annotations))
      if (!read.ok) return request !== undefined && limit !== undefined && cpuMillis(request) > cpuMillis(limit)
      const others = guaranteed ? [equal] : [{ name: 'app' }]
      const resources = sidecarResources(read.settings, others)
      const { requests, limits } = resources
      return (
        (!guaranteed || isGuaranteed([...others, box(resources)])) &&
        (guaranteed || limits.cpu === limit) &&
        (limits.cpu === undefined || cpuMillis(requests.cpu) <= cpuMillis(limits.cpu)) &&
        memoryBytes(requests.memory) <= memoryBytes(limits.memory)
      )
    }),
    { seed: 12 },
  )
})
