import t from 'tap'
import { Type } from 'typebox'
import { baseSettings } from '../../../lib/service/base-settings.ts'
import { ConfigError, loadConfig } from '../../../lib/service/config.ts'

const schema = Type.Object(baseSettings(8080))

t.test('every program starts without a setting', async t => {
  t.strictSame(
    { ...loadConfig(schema, {}, {}) },
    {
      HOST: '0.0.0.0',
      PORT: 8080,
      ADMIN_HOST: '0.0.0.0',
      ADMIN_PORT: 9090,
      INSTANCE: '',
      LOG_LEVEL: 'info',
      SHUTDOWN_SECONDS: 25,
    },
  )
})

t.test('what cannot be is refused', async t => {
  for (const [name, value] of [
    ['PORT', '65536'],
    ['PORT', '-1'],
    ['ADMIN_PORT', '1.5'],
    ['LOG_LEVEL', 'loud'],
    ['SHUTDOWN_SECONDS', '0'],
    ['SHUTDOWN_SECONDS', '86400'],
  ] as const) {
    t.throws(() => loadConfig(schema, {}, { [`WS_OPERATOR_${name}`]: value }), ConfigError, `${name}=${value}`)
  }
})
