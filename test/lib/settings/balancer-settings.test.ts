import t from 'tap'
import { ConfigError, loadConfig } from '../../../lib/service/config.ts'
import { balancerSchema, MAX_HELLO_BYTES } from '../../../lib/settings/balancer-settings.ts'

const load = (env: Record<string, string> = {}) =>
  loadConfig(
    balancerSchema,
    {},
    Object.fromEntries(Object.entries(env).map(([name, value]) => [`WS_OPERATOR_${name}`, value])),
  )

t.test(
  'without settings, clients are moved where their sessions survive it, and a first message is not repeated',
  async t => {
    t.match(load(), {
      PORT: 3000,
      WORKERS: 0,
      REHOME: 'auto',
      REHOME_HELLO: 'none',
      REHOME_TIMEOUT_MS: 10_000,
      REHOME_LINGER_MS: 1000,
      REBALANCE: 'gradual',
      REBALANCE_DELAY_SECONDS: 10,
      MAX_MOVES_PER_SECOND: 50,
    })
  },
)

t.test('without settings, clients are pinged three times before they count as dead, and pods are not', async t => {
  t.match(load(), {
    CLIENT_PING_SECONDS: 30,
    CLIENT_IDLE_SECONDS: 90,
    UPSTREAM_PING_SECONDS: 0,
    UPSTREAM_IDLE_SECONDS: 0,
  })
})

t.test('a number may reach its limits and not pass them', async t => {
  for (const [name, least, most] of [
    ['WORKERS', 0, 256],
    ['REHOME_TIMEOUT_MS', 100, 600_000],
    ['REHOME_LINGER_MS', 0, 60_000],
    ['REBALANCE_DELAY_SECONDS', 0, 3600],
    ['MAX_MOVES_PER_SECOND', 1, 100_000],
  ] as const) {
    for (const value of [least, most]) t.equal(load({ [name]: String(value) })[name], value, `${name}=${value}`)
    for (const value of [least - 1, most + 1, least + 0.5])
      t.throws(() => load({ [name]: String(value) }), ConfigError, `${name}=${value}`)
  }
})

t.test('a policy has the values that the documentation names, and no other', async t => {
  for (const [name, values] of [
    ['REHOME', ['auto', 'transparent', 'close']],
    ['REHOME_HELLO', ['none', 'first-text']],
    ['REBALANCE', ['gradual', 'on-reconnect', 'off']],
  ] as const) {
    for (const value of values) t.equal(load({ [name]: value })[name], value)
    for (const value of ['none at all', values[0].toUpperCase()])
      t.throws(() => load({ [name]: value }), { name: 'ConfigError', message: new RegExp(values.join(', ')) })
  }
})

t.test('every setting is described, and the description of REHOME_HELLO names its limit', async t => {
  const described = Object.entries(balancerSchema.properties) as [string, { description?: string }][]
  t.strictSame(
    described.filter(([, { description }]) => !description?.trim()).map(([name]) => name),
    [],
  )
  t.match(Object.fromEntries(described)['REHOME_HELLO']?.description, `at most ${MAX_HELLO_BYTES} bytes`)
})
