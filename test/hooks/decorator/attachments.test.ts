import t from 'tap'
import { headlessServiceObject } from '../../../hooks/decorator/attachments.ts'
import { finalizeDeployment, syncDeployment } from '../../../hooks/decorator/decorator.ts'
import type { DecoratorRequest } from '../../../hooks/requests/schemas.ts'
import { applyAnswer } from '../apply-model.ts'
import { fresh } from '../deployments.ts'
import { config, recorded } from '../helper.ts'
import { plan } from '../plans.ts'

const sync = (request: DecoratorRequest) => syncDeployment(request, config)

t.test('every self attachment carries the ownerReference that keeps the Deployment deletable', async t => {
  const answers = [
    sync(fresh()),
    sync(applyAnswer(fresh(), sync(fresh()).response)),
    finalizeDeployment(recorded('decorator-finalize-label-removed')),
  ]
  for (const { response } of answers) {
    const self = response.attachments.find(({ kind }) => kind === 'Deployment')
    const uid = 'a444c0f2-d75f-4ad9-8072-bd3a8feefa69'
    t.strictSame(self?.metadata, {
      name: 'chat',
      namespace: 'default',
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'chat', uid }],
    })
  }
})

t.test('only pods that are ready own users, so the headless Service names no others', async t => {
  t.notOk('publishNotReadyAddresses' in headlessServiceObject(fresh().object, plan()).spec!)
})
