import t from 'tap'
import { KEEP_ALIVE_DEFAULTS, keepAliveProblems } from '../../../../hooks/composite/variables/keep-alive.ts'
import { variableSchema } from '../../../../hooks/composite/variables/variable-schema.ts'
import { balancerSchema } from '../../../../lib/settings/balancer-settings.ts'

t.test('an absent field is the balancer’s default', async t => {
  for (const side of ['client', 'upstream'] as const) {
    const [pingSeconds, idleSeconds] = ['PING', 'IDLE'].map(
      what => variableSchema(balancerSchema, `${side.toUpperCase()}_${what}_SECONDS`).default,
    )
    t.strictSame(KEEP_ALIVE_DEFAULTS[side], { pingSeconds, idleSeconds }, side)
  }
})

t.test('a ping must come before its side counts as gone', async t => {
  for (const good of [
    undefined,
    {},
    { clientPingSeconds: 1, clientIdleSeconds: 2 },
    { clientPingSeconds: 0, clientIdleSeconds: 0 },
    { upstreamPingSeconds: 9, upstreamIdleSeconds: 0 },
  ]) {
    t.strictSame(keepAliveProblems(good), [], JSON.stringify(good))
  }
  for (const bad of [
    { clientPingSeconds: 2, clientIdleSeconds: 2 },
    { clientPingSeconds: 0, clientIdleSeconds: 5 },
  ]) {
    t.strictSame(
      keepAliveProblems(bad),
      [
        `spec.keepAlive.clientPingSeconds (${bad.clientPingSeconds}) must be above 0 and below spec.keepAlive.clientIdleSeconds (${bad.clientIdleSeconds})`,
      ],
      JSON.stringify(bad),
    )
  }
})

t.test('a single field is held against the default of the other, and both sides are told', async t => {
  const { client, upstream } = KEEP_ALIVE_DEFAULTS
  t.strictSame(keepAliveProblems({ clientIdleSeconds: 1, upstreamIdleSeconds: 1 }), [
    `spec.keepAlive.clientPingSeconds (${client.pingSeconds}) must be above 0 and below spec.keepAlive.clientIdleSeconds (1)`,
    `spec.keepAlive.upstreamPingSeconds (${upstream.pingSeconds}) must be above 0 and below spec.keepAlive.upstreamIdleSeconds (1)`,
  ])
})
