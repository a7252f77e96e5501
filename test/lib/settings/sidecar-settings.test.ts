import t from 'tap'
import { ConfigError, loadConfig } from '../../../lib/service/config.ts'
import {
  DELIVERIES,
  ROUTES,
  SENDER_REPLIES,
  sidecarSchema,
  TRANSPORTS,
} from '../../../lib/settings/sidecar-settings.ts'

const load = (env: Record<string, string> = {}) =>
  loadConfig(
    sidecarSchema,
    {},
    Object.fromEntries(
      Object.entries({ SELF: '10.0.0.1:3000', ...env }).map(([name, value]) => [`WS_OPERATOR_${name}`, value]),
    ),
  )

t.test('only its own name is needed; all else has a default', async t => {
  t.throws(() => load({ SELF: '' }), { name: 'ConfigError', message: /^WS_OPERATOR_SELF is required/ })
  t.match(load(), {
    PORT: 3000,
    APP_HOST: '127.0.0.1',
    APP_PORT: 3001,
    ROUTE: 'inbound',
    DELIVER: 'sender',
    SENDER_REPLIES: 'pass',
    SENDER_IDLE_SECONDS: 60,
    MAX_SENDER_CONNECTIONS: 1000,
    RECIPIENT_FIELD: 'recipientId',
    MAX_ADDRESSED_BYTES: 1_048_576,
    SLOW_MESSAGE_SECONDS: 60,
    TRANSPORT: 'link',
    DELIVER_TIMEOUT_MS: 5000,
    RECIPIENT_WAIT_MS: 3000,
    RECEIPTS: false,
    DRAIN_SECONDS: 20,
  })
})

t.test('by default no token is needed, but where one is set every peer must show it', async t => {
  t.match(load(), { TOKEN: '', TOKEN_REQUIRED: true })
  t.equal(load({ TOKEN_REQUIRED: 'false' }).TOKEN_REQUIRED, false)
})

t.test('the balancer pings the clients, so the sidecar pings nobody by default', async t => {
  t.match(load(), {
    CLIENT_PING_SECONDS: 0,
    CLIENT_IDLE_SECONDS: 0,
    UPSTREAM_PING_SECONDS: 0,
    UPSTREAM_IDLE_SECONDS: 0,
  })
})

t.test('a number may reach its limits and not pass them', async t => {
  for (const [name, least, most] of [
    ['APP_PORT', 1, 65_535],
    ['SENDER_IDLE_SECONDS', 1, 86_400],
    ['MAX_SENDER_CONNECTIONS', 1, 100_000],
    ['MAX_ADDRESSED_BYTES', 1, 16_777_216],
    ['SLOW_MESSAGE_SECONDS', 0, 86_400],
    ['DELIVER_TIMEOUT_MS', 1, 600_000],
    ['RECIPIENT_WAIT_MS', 0, 60_000],
    ['DRAIN_SECONDS', 0, 3600],
  ] as const) {
    for (const value of [least, most]) t.equal(load({ [name]: String(value) })[name], value, `${name}=${value}`)
    for (const value of [least - 1, most + 1, least + 0.5])
      t.throws(() => load({ [name]: String(value) }), ConfigError, `${name}=${value}`)
  }
})

t.test('a choice has the values that the documentation names, and no other', async t => {
  for (const [name, values] of [
    ['ROUTE', ROUTES],
    ['DELIVER', DELIVERIES],
    ['SENDER_REPLIES', SENDER_REPLIES],
    ['TRANSPORT', TRANSPORTS],
  ] as const) {
    for (const value of values) t.equal(load({ [name]: value })[name], value)
    t.throws(() => load({ [name]: 'else' }), { name: 'ConfigError', message: new RegExp(values.join(', ')) })
  }
})

t.test('every setting is described', async t => {
  const described = Object.entries(sidecarSchema.properties) as [string, { description?: string }][]
  t.strictSame(
    described.filter(([, { description }]) => !description?.trim()).map(([name]) => name),
    [],
  )
})
