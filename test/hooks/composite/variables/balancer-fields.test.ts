import { readFileSync } from 'node:fs'
import t from 'tap'
import { parse } from 'yaml'
import {
  BALANCER_FIELDS,
  DECIDING_FIELDS,
  fieldVariables,
  setField,
} from '../../../../hooks/composite/variables/balancer-fields.ts'
import type { VariableSchema } from '../../../../hooks/composite/variables/variable-schema.ts'
import { balancerSchema } from '../../../../lib/settings/balancer-settings.ts'

interface Schema extends VariableSchema {
  readonly properties?: Readonly<Record<string, Schema>>
}

const file = new URL('../../../../manifests/base/crd/websocketbalancers.yaml', import.meta.url)
const crd = parse(readFileSync(file, 'utf8')) as {
  spec: { versions: { schema: { openAPIV3Schema: { properties: { spec: Schema } } } }[] }
}
const { spec } = crd.spec.versions[0]!.schema.openAPIV3Schema.properties
const fieldOf = (path: string) =>
  path.split('.').reduce<Schema | undefined>((schema, name) => schema?.properties?.[name], spec)
const variables = balancerSchema.properties as unknown as Readonly<Record<string, VariableSchema>>

t.test('the CRD allows what the balancer takes: type, bounds and words, and no default of its own', async t => {
  for (const [path, variable] of Object.entries(BALANCER_FIELDS)) {
    const field = fieldOf(path)
    const { type = 'string', minimum, maximum, enum: words } = variables[variable]!
    t.ok(field, path)
    t.match(field, { type, ...(type === 'integer' && { minimum, maximum }), ...(words && { enum: [...words] }) }, path)
    t.notOk(Object.hasOwn(field ?? {}, 'default'), `${path}: a default would be written into every object`)
  }
})

t.test('the default that a field tells is that of the balancer', async t => {
  for (const [path, variable] of Object.entries(BALANCER_FIELDS)) {
    // The hooks always say how long a balancer may take.
    if (path === 'drainSeconds') continue
    const [, told] = /(\S+) if absent\.?$/.exec(fieldOf(path)?.description ?? '') ?? []
    if (told !== undefined) t.equal(told, String(variables[variable]?.default), path)
  }
})

t.test('fields that decide on a variable exist', async t => {
  for (const path of Object.keys(DECIDING_FIELDS)) t.ok(fieldOf(path), path)
})

t.test('what is absent sets nothing, what is there sets its variable', async t => {
  t.strictSame(fieldVariables({ target: 'chat' }), {})
  const given: Record<string, unknown> = {}
  setField(given, 'limits.maxHeaderBytes', 2048)
  setField(given, 'limits.maxConnections', 0)
  setField(given, 'plainHttp', 'refuse')
  setField(given, 'routing.key', 'path:^/$')
  t.strictSame(given, {
    limits: { maxHeaderBytes: 2048, maxConnections: 0 },
    plainHttp: 'refuse',
    routing: { key: 'path:^/$' },
  })
  t.strictSame(fieldVariables(given), {
    ROUTING_KEY: 'path:^/$$',
    MAX_CONNECTIONS: 0,
    MAX_HEADER_BYTES: 2048,
    PLAIN_HTTP: 'refuse',
  })
})
