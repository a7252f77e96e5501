import t from 'tap'
import { Type } from 'typebox'
import { checkRouting, routingParsers, routingSettings } from '../../../lib/routing/routing-settings.ts'
import { ConfigError, loadConfig } from '../../../lib/service/config.ts'

const schema = Type.Object(routingSettings)

/** The configuration, or the problems with it. */
function load(env: Record<string, string>) {
  const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [`WS_OPERATOR_${name}`, value]))
  try {
    return loadConfig(schema, routingParsers, variables, checkRouting)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems
  }
}

t.test('defaults: static members, the user in a header or the query, anywhere without one', async t => {
  const config = load({ MEMBERS: 'a:1,b:2' })
  t.match(config, {
    DISCOVERY: 'static',
    MEMBERS: [{ name: 'a:1' }, { name: 'b:2' }],
    ROUTING_KEY: { text: 'header:ws-user-id,query:user' },
    ON_MISSING_KEY: 'random',
  })
})

t.test('each discovery needs its own setting, and only that', async t => {
  for (const [discovery, needed, value] of [
    ['static', 'MEMBERS', 'a:1'],
    ['file', 'MEMBERS_FILE', '/etc/members.json'],
    ['dns', 'SRV_DNS_RECORD', '_ws-proxy._tcp.chat.default.svc'],
    ['kubernetes', 'SERVICE', 'default/chat-ws-proxy-headless'],
  ] as const) {
    t.strictSame(load({ DISCOVERY: discovery }), [
      `WS_OPERATOR_${needed} is required with WS_OPERATOR_DISCOVERY=${discovery}`,
    ])
    t.match(load({ DISCOVERY: discovery, [needed]: value }), { DISCOVERY: discovery })
  }
})

t.test('everything that is wrong is said at once, with the variable and the value', async t => {
  const problems = load({
    DISCOVERY: 'gossip',
    MEMBERS: 'a:1,b',
    SERVICE: 'chat',
    ROUTING_KEY: 'path:^/room/',
    ON_MISSING_KEY: 'guess',
  })
  t.match(problems, [/./, /./, /./, /./, /./])
  const text = (problems as readonly string[]).join('\n')
  t.match(text, /WS_OPERATOR_DISCOVERY .*static, file, dns, kubernetes \(it is "gossip"\)/)
  t.match(text, /WS_OPERATOR_MEMBERS: bad member "b"/)
  t.match(text, /WS_OPERATOR_SERVICE .*\(it is "chat"\)/)
  t.match(text, /WS_OPERATOR_ROUTING_KEY: "path:\^\/room\/": the expression needs exactly one capture group, it has 0/)
  t.match(text, /WS_OPERATOR_ON_MISSING_KEY .*random, reject/)
})
