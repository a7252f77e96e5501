import t from 'tap'
import { READY_REASONS } from '../../../hooks/composite/status/status.ts'
import { balancerPage } from '../../../scripts/docs/balancer.ts'
import { crd } from '../../../scripts/docs/crd.ts'
import type { Manifest } from '../../helpers/kustomize.ts'
import { rowsOf } from './table.ts'

const page = balancerPage()
const rows = rowsOf(page)
const { spec, status } = (crd() as Manifest)['spec'].versions[0].schema.openAPIV3Schema.properties
const row = (field: string) => rows.find(([name]) => name === `\`${field}\``)

t.test('each field of the spec has one row, nested ones by their path', async t => {
  const paths = ({ properties = {} }: Manifest, above = ''): string[] =>
    Object.entries(properties as Record<string, Manifest>).flatMap(([name, child]) => [
      `\`${above}${name}\``,
      ...paths(child, `${above}${name}.`),
      ...paths(child['items'] ?? {}, `${above}${name}[].`),
    ])
  t.ok(paths(spec).length > 40)
  t.strictSame(
    rows.filter(({ length }) => length === 3).map(([name]) => name),
    paths(spec),
  )
})

t.test('a row says what values a field takes', async t => {
  const values = (field: string) => row(field)?.[1]
  t.equal(values('target'), 'text, required')
  t.equal(values('replicas'), '0–100')
  t.equal(values('routing.onMissing'), 'random | reject')
  t.equal(values('autoscaling'), 'object')
  t.equal(values('autoscaling.minReplicas'), '1–100, required')
  t.equal(values('service.annotations'), 'map of text')
  t.equal(values('exposeTopology'), 'boolean')
  t.equal(values('tolerations'), 'list')
  t.equal(values('tolerations[].key'), 'text')
  t.ok(rows.every(([, cell]) => cell !== 'undefined'))
})

t.test('a blank in a description is text, not HTML', async t => {
  t.match(row('backend.service')?.[2], '\\<target>-ws-proxy-headless')
})

t.test('every rule of the CRD is told', async t => {
  const messages = (schema: Manifest): string[] => [
    ...(schema['x-kubernetes-validations'] ?? []).map(({ message }: { message: string }) => message),
    ...Object.values((schema['properties'] ?? {}) as Record<string, Manifest>).flatMap(messages),
    ...(schema['items'] ? messages(schema['items']) : []),
  ]
  const rules = messages(spec)
  t.ok(rules.includes('target cannot be changed; make another WebSocketBalancer'))
  const lines = page.split('\n')
  for (const rule of rules) t.ok(lines.includes(`- ${rule}`), rule)
})

t.test('fields of the status, then reasons of Ready', async t => {
  t.strictSame(
    rows.filter(({ length }) => length === 2),
    [
      ...Object.entries(status.properties as Record<string, Manifest>).map(([name, { description }]) => [
        `\`${name}\``,
        description,
      ]),
      ...Object.entries(READY_REASONS).map(([reason, meaning]) => [`\`${reason}\``, meaning]),
    ],
  )
})
