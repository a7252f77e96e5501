import t from 'tap'
import { Type } from 'typebox'
import { Check } from 'typebox/value'
import {
  fieldDescription,
  integerFields,
  variableSchema,
} from '../../../../hooks/composite/variables/variable-schema.ts'
import { balancerSchema } from '../../../../lib/settings/balancer-settings.ts'

t.test('a variable is read from the schema that declares it', async t => {
  t.equal(variableSchema(balancerSchema, 'WORKERS'), balancerSchema.properties.WORKERS)
  t.throws(() => variableSchema(balancerSchema, 'APP_PORT'), { message: 'no program has a variable APP_PORT' })
})

t.test('a field is described in the words of its variable, with the default at the end', async t => {
  const { description, default: fallback } = balancerSchema.properties.MAX_QUEUE_BYTES as unknown as {
    description: string
    default: number
  }
  t.equal(fieldDescription('MAX_QUEUE_BYTES'), `${description.slice(0, -1)}; ${fallback} if absent.`)
})

t.test('a field may be absent, and has the bounds of its variable but no default', async t => {
  const fields = integerFields({ header: 'MAX_HEADER_BYTES' })
  const schema = Type.Object(fields)
  const { minimum, maximum } = variableSchema(balancerSchema, 'MAX_HEADER_BYTES') as Required<
    ReturnType<typeof variableSchema>
  >
  for (const header of [minimum, maximum]) t.ok(Check(schema, { header }), `${header}`)
  for (const header of [minimum - 1, maximum + 1, minimum + 0.5, `${minimum}`, null])
    t.notOk(Check(schema, { header }), `${header}`)
  t.ok(Check(schema, {}))
  // The API server would write it into every object.
  t.notOk(Object.hasOwn(fields.header, 'default'))
})
