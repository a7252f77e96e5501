import t from 'tap'
import { planSidecar } from '../../hooks/decorator/plan-sidecar.ts'
import type { DecoratorRequest } from '../../hooks/requests/schemas.ts'
import { config, recorded } from './helper.ts'

function advice(annotations: Record<string, string>): string {
  const { object } = recorded<DecoratorRequest>('decorator-sync-first')
  object.metadata.annotations = annotations
  const planned = planSidecar(object, config)
  return planned.ok ? planned.plan.advice.join(' ') : planned.message
}

const WARNING = "lets any client speak in another's name"

t.test('whoever lets any client speak in another’s name is told so', async t => {
  for (const deliver of ['app', 'client']) {
    t.match(advice({ 'ws.operator/deliver': deliver }), `ws.operator/deliver: ${deliver} ${WARNING}`)
    t.notMatch(advice({ 'ws.operator/deliver': deliver, 'ws.operator/route': 'outbound' }), WARNING)
  }
  t.notMatch(advice({}), WARNING)
  t.notMatch(advice({ 'ws.operator/deliver': 'sender' }), WARNING)
})
