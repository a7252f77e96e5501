import t from 'tap'
import { loadSidecarConfig } from '../../sidecar/config.ts'

const load = (env: Record<string, string>) =>
  loadSidecarConfig({ WS_OPERATOR_SELF: 'a:1', WS_OPERATOR_MEMBERS: 'a:1', ...env })

t.test('the own name has its one spelling, which others compare and hash', async t => {
  t.equal(load({ WS_OPERATOR_SELF: 'Chat-0.Chat:3000' }).SELF, 'chat-0.chat:3000')
  t.equal(load({ WS_OPERATOR_SELF: 'fd00::5:3000' }).SELF, '[fd00::5]:3000')
})

t.test('a name that is none names its variable', async t => {
  for (const self of ['fd00::5', 'no member', `${'x'.repeat(300)}:1`])
    t.throws(() => load({ WS_OPERATOR_SELF: self }), {
      name: 'ConfigError',
      message: /^WS_OPERATOR_SELF: bad member "/,
    })
})

t.test(
  'a token that would turn the check off, or could not be shown, names its variable and is not printed',
  async t => {
    t.throws(() => load({ WS_OPERATOR_TOKEN: ',' }), {
      name: 'ConfigError',
      message: 'WS_OPERATOR_TOKEN has no token in it',
    })
    t.throws(() => load({ WS_OPERATOR_TOKEN: 's\u2013cret' }), {
      name: 'ConfigError',
      message: 'WS_OPERATOR_TOKEN has a token with a character that no header can carry',
    })
    t.equal(load({ WS_OPERATOR_TOKEN: 'new,old' }).TOKEN, 'new,old')
  },
)
