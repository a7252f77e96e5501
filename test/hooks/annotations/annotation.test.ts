import t from 'tap'
import { choice, tuning } from '../../../hooks/annotations/annotation.ts'
import { type VariableSchema, variableSchema } from '../../../hooks/composite/variables/variable-schema.ts'
import { balancerSchema } from '../../../lib/settings/balancer-settings.ts'
import { sidecarSchema } from '../../../lib/settings/sidecar-settings.ts'

t.test('a choice takes its words and no other, and says which they are', async t => {
  const annotation = choice(['native', 'classic'], 'native', 'How.', { sidecar: 'ROUTE', field: 'rehome' })
  t.match(annotation, { values: 'native | classic', fallback: 'native', description: 'How.' })
  t.match(annotation, { sidecar: 'ROUTE', field: 'rehome' }, 'with its destinations')
  for (const word of ['native', 'classic']) t.equal(annotation.parse(word), word)
  for (const word of ['', 'Native', 'native ', 'constructor']) {
    t.throws(() => annotation.parse(word), { message: 'one of native, classic' }, word)
  }
  t.notOk(Object.hasOwn(choice(['a'], 'a', 'A.'), 'sidecar'), 'without a destination it goes nowhere')
})

t.test('a number has the bounds, default and text of the variable that it sets', async t => {
  const variable = variableSchema(sidecarSchema, 'DELIVER_TIMEOUT_MS') as VariableSchema & { minimum: number }
  const { minimum, maximum = 0, default: fallback, description } = variable
  const annotation = tuning({ sidecar: 'DELIVER_TIMEOUT_MS' })
  t.match(annotation, { values: `${minimum}–${maximum}`, fallback: `${fallback}`, description })
  t.equal(annotation.sidecar, 'DELIVER_TIMEOUT_MS')
  for (const value of [minimum, maximum, Number(fallback)]) t.equal(annotation.parse(`${value}`), value)
  for (const value of [minimum - 1, maximum + 1]) {
    t.throws(() => annotation.parse(`${value}`), { message: `a whole number from ${minimum} to ${maximum}` })
  }
  t.throws(() => annotation.parse('soon'))
})

t.test('a field without a variable of the sidecar follows the balancer', async t => {
  const {
    minimum,
    maximum,
    default: fallback,
  } = balancerSchema.properties.REHOME_LINGER_MS as unknown as Record<string, number>
  t.match(tuning({ field: 'timeouts.rehomeLingerMs' }), { values: `${minimum}–${maximum}`, fallback: `${fallback}` })
})

t.test('where both programs have the variable, the sidecar’s words count', async t => {
  const annotation = tuning({ sidecar: 'PLAIN_HTTP', field: 'plainHttp' })
  const { enum: words = [], default: fallback, description } = variableSchema(sidecarSchema, 'PLAIN_HTTP')
  t.match(annotation, { values: words.join(' | '), fallback, description, field: 'plainHttp' })
  for (const word of words) t.equal(annotation.parse(word), word)
  t.throws(() => annotation.parse('1'))
})

t.test('another text replaces the program’s', async t => {
  t.equal(tuning({ sidecar: 'MAX_CONNECTIONS' }, 'For owners.').description, 'For owners.')
})
