import t from 'tap'
import { syncDeployment } from '../../../hooks/decorator/decorator.ts'
import type { DecoratorRequest } from '../../../hooks/requests/schemas.ts'
import { applyAnswer } from '../apply-model.ts'
import { fresh } from '../deployments.ts'
import { config } from '../helper.ts'

const sync = (request: DecoratorRequest) => syncDeployment(request, config)

/** The request that follows when everything is done. */
function settled(request: DecoratorRequest): DecoratorRequest {
  let now = request
  for (let round = 0; round < 3; round++) now = applyAnswer(now, sync(now).response)
  return now
}

/** A Deployment with the sidecar, all or a part of which somebody else owns too, as after kubectl rollout undo. */
function coOwned(part?: object): DecoratorRequest {
  const request = settled(fresh())
  const [ours] = request.object.metadata.managedFields!
  const { 'f:spec': spec } = ours!.fieldsV1 as Record<string, unknown>
  const container = { 'k:{"name":"websocket-proxy"}': part }
  const fieldsV1 = {
    'f:spec': part ? { 'f:template': { 'f:spec': { 'f:initContainers': container } } } : structuredClone(spec),
  }
  request.object.metadata.managedFields!.push({ manager: 'kubectl-rollout', operation: 'Update', fieldsV1 })
  return request
}

const annotate = (request: DecoratorRequest, annotations: Record<string, string>): DecoratorRequest => {
  const next = structuredClone(request)
  Object.assign(next.object.metadata.annotations!, annotations)
  return next
}

/** Takes the container away, and with it what others owned of it. */
const removeByHand = (request: DecoratorRequest): DecoratorRequest => {
  const next = structuredClone(request)
  delete next.object.spec.template.spec.initContainers
  next.object.metadata.managedFields = next.object.metadata.managedFields!.filter(
    ({ manager }) => manager !== 'kubectl-rollout',
  )
  return next
}

for (const [change, annotations, message] of [
  ['its mode', { 'ws.operator/sidecar-mode': 'classic' }, /cannot move to spec\.template\.spec\.containers: /],
  ['its port', { 'ws.operator/sidecar-port': '4000' }, /cannot move to port 4000: port 3000 /],
] as const) {
  t.test(
    `a sidecar that somebody else owns too: what changes ${change} is not applied, and the message says why`,
    async t => {
      const before = coOwned()
      const asked = annotate(before, annotations)
      const { outcome, response } = sync(asked)
      t.equal(outcome, 'refused')
      t.match(response.annotations, { 'ws.operator/status': 'Refused', 'ws.operator/status-message': message })
      t.match(response.annotations?.['ws.operator/status-message'], /also owned by kubectl-rollout and would stay/)
      t.notOk(response.attachments.some(({ kind }) => kind === 'Deployment'))
      const refused = applyAnswer(asked, response)
      t.strictSame(refused.attachments, before.attachments, 'the rest is kept')
      t.strictSame(refused.object.spec, before.object.spec)
      t.strictSame(applyAnswer(refused, sync(refused).response), refused, 'and again')

      const back = structuredClone(refused)
      for (const name of Object.keys(annotations)) delete back.object.metadata.annotations![name]
      t.strictSame(settled(back), before, 'set back')

      const moved = settled(removeByHand(refused))
      t.equal(moved.object.metadata.annotations?.['ws.operator/status'], 'Injected')
      t.strictSame(moved.object.spec, settled(fresh(annotations)).object.spec, 'removed by hand')
    },
  )
}

t.test('what others own of a sidecar is no hindrance where nothing of it would be there twice', async t => {
  const whole = settled(annotate(coOwned(), { 'ws.operator/receipts': 'true' }))
  t.equal(whole.object.metadata.annotations?.['ws.operator/status'], 'Injected')
  const part = coOwned({ 'f:env': { 'k:{"name":"MEDDLED"}': { '.': {}, 'f:name': {}, 'f:value': {} } } })
  const [sidecar] = part.object.spec.template.spec.initContainers as unknown as { env: object[] }[]
  sidecar!.env.push({ name: 'MEDDLED', value: '1' })
  const port = settled(annotate(part, { 'ws.operator/sidecar-port': '4000' }))
  t.match(port.object.spec.template.spec.initContainers, [{ ports: [{ name: 'ws-proxy', containerPort: 4000 }] }])
  // What is left of it would be a second container of the same name.
  t.equal(sync(annotate(part, { 'ws.operator/sidecar-mode': 'classic' })).outcome, 'refused')
})
