import t from 'tap'
import { keepAlive, limits, timeouts } from '../../../../hooks/composite/spec/limits-spec.ts'
import { KEEP_ALIVE, LIMITS, TIMEOUTS } from '../../../../hooks/composite/variables/balancer-fields.ts'
import { KEEP_ALIVE_DEFAULTS, keepAliveProblems } from '../../../../hooks/composite/variables/keep-alive.ts'
import { variableSchema } from '../../../../hooks/composite/variables/variable-schema.ts'
import { balancerSchema } from '../../../../lib/settings/balancer-settings.ts'
import { brokenRules, problems } from './cel-model.ts'

t.test('each limit and time may be set within the bounds of its variable, and alone', async t => {
  for (const [schema, fields] of [
    [limits, LIMITS],
    [timeouts, TIMEOUTS],
  ] as const) {
    t.strictSame(problems(schema, {}), [])
    for (const [field, variable] of Object.entries(fields)) {
      const { minimum = 0, maximum = 0 } = variableSchema(balancerSchema, variable)
      for (const value of [minimum, maximum]) t.strictSame(problems(schema, { [field]: value }), [], field)
      for (const value of [minimum - 1, maximum + 1]) t.strictSame(problems(schema, { [field]: value }), [`/${field}`])
    }
  }
})

t.test('the fields of keepAlive are those of the balancer', async t => {
  t.strictSame(Object.keys(keepAlive.properties), Object.keys(KEEP_ALIVE))
})

t.test('the API server refuses the keep-alive that the balancer would refuse, and no other', async t => {
  const values = [undefined, 0, 1, 2, 25, 60, 75, 3600]
  for (const side of ['client', 'upstream'] as const) {
    for (const ping of values) {
      for (const idle of values) {
        const given = JSON.parse(JSON.stringify({ [`${side}PingSeconds`]: ping, [`${side}IdleSeconds`]: idle }))
        const [broken, refused] = [brokenRules(keepAlive, given), keepAliveProblems(given)]
        if (broken.length !== refused.length) t.fail(`${JSON.stringify(given)}: ${broken} and ${refused}`)
      }
    }
    const { pingSeconds, idleSeconds } = KEEP_ALIVE_DEFAULTS[side]
    t.strictSame(brokenRules(keepAlive, { [`${side}PingSeconds`]: 5, [`${side}IdleSeconds`]: 5 }), [
      `${side}PingSeconds (${pingSeconds} if absent) must be above 0 and below ${side}IdleSeconds (${idleSeconds} if absent)`,
    ])
  }
})
