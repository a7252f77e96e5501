import t from 'tap'
import { hooksSchema } from '../../../hooks/config.ts'
import { documentSettings } from '../../../lib/service/config.ts'
import { balancerSchema } from '../../../lib/settings/balancer-settings.ts'
import { sidecarSchema } from '../../../lib/settings/sidecar-settings.ts'
import { configurationPage } from '../../../scripts/docs/configuration.ts'
import { rowsOf } from './table.ts'

const [, ...sections] = configurationPage().split(/^(?=## )/m)
const rows = (program: string) => rowsOf(sections.find(section => section.startsWith(`## ${program}\n`)) ?? '')
const row = (program: string, variable: string) =>
  rows(program).find(([name]) => name === `\`WS_OPERATOR_${variable}\``)
const setBy = (program: string, variable: string) => row(program, variable)?.[4]

t.test('each setting of the three programs has its row, in their order', async t => {
  t.equal(sections.length, 3)
  for (const [program, schema] of [
    ['Sidecar', sidecarSchema],
    ['Balancer', balancerSchema],
    ['Hooks', hooksSchema],
  ] as const) {
    const settings = documentSettings(schema)
    t.ok(settings.length > 10, program)
    t.strictSame(
      rows(program).map(([name, type, , description]) => [name, type, description]),
      settings.map(({ name, type, description }) => [`\`${name}\``, type, description]),
      program,
    )
  }
})

t.test('a default is code, none is nothing, and what is required says so', async t => {
  t.equal(row('Sidecar', 'PORT')?.[2], '`3000`')
  t.equal(row('Sidecar', 'INSTANCE')?.[2], '')
  t.equal(row('Sidecar', 'SELF')?.[2], 'required')
})

t.test('each variable of sidecar and balancer says what sets it in a cluster', async t => {
  const all = [...rows('Sidecar'), ...rows('Balancer')]
  t.ok(all.length > 60)
  for (const [name = '', , , , by] of all) {
    t.match(by, /^(the hooks|environment only|(`(ws\.operator\/|spec\.)[\w.-]+`(, )?)+)$/, name)
  }
  t.ok(
    rows('Hooks').every(({ length }) => length === 4),
    'nothing sets those of the hooks',
  )
})

t.test('an annotation sets a variable, decides it, or sets it by way of a field', async t => {
  t.equal(setBy('Sidecar', 'APP_PORT'), '`ws.operator/app-port`')
  t.equal(setBy('Sidecar', 'ADMIN_PORT'), '`ws.operator/sidecar-port`', 'decided with another one')
  t.equal(setBy('Balancer', 'MAX_HEADER_BYTES'), '`ws.operator/max-header-bytes`, `spec.limits.maxHeaderBytes`')
  t.equal(setBy('Balancer', 'MAX_CONNECTIONS'), '`spec.limits.maxConnections`', 'a field without annotation')
  t.equal(setBy('Sidecar', 'TARGET'), 'the hooks')
  t.equal(setBy('Balancer', 'HOST'), 'environment only')
})
