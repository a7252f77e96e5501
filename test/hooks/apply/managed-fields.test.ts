import t from 'tap'
import { appliedByUs, findSidecar, isOurs, otherOwners, ownsTemplate } from '../../../hooks/apply/managed-fields.ts'
import type { DecoratorRequest } from '../../../hooks/requests/schemas.ts'
import { recorded } from '../helper.ts'

const load = (name: string) => recorded<DecoratorRequest>(name).object

t.test('recognises what Metacontroller applied for us, whatever its field manager is called', async t => {
  const injected = load('decorator-sync-settled')
  t.ok(isOurs(injected, findSidecar(injected)!), 'the recorded sidecar has no environment of ours')
  t.ok(ownsTemplate(injected))
  t.strictSame(otherOwners(injected, findSidecar(injected)!), [])
  for (const entry of injected.metadata.managedFields!) if (entry.operation === 'Apply') entry.manager = 'other-name'
  t.ok(isOurs(injected, findSidecar(injected)!))
})

t.test('an apply by somebody else does not make the container ours', async t => {
  const injected = load('decorator-sync-settled')
  t.equal(appliedByUs(injected, 'another-uid'), undefined)
  const ours = appliedByUs(injected, injected.metadata.uid) as Record<string, Record<string, unknown>>
  delete ours['f:metadata']!['f:ownerReferences']
  t.notOk(isOurs(injected, findSidecar(injected)!))
  t.notOk(ownsTemplate(injected))
})

t.test('its environment makes it ours too', async t => {
  const injected = load('decorator-sync-settled')
  delete injected.metadata.managedFields
  const found = findSidecar(injected)!
  t.notOk(isOurs(injected, found))
  found.container.env = [{ name: 'WS_OPERATOR_SELF' }]
  t.ok(isOurs(injected, found))
})

t.test('before the first apply and after the last there is nothing of ours', async t => {
  t.equal(findSidecar(load('decorator-sync-first')), undefined)
  t.notOk(ownsTemplate(load('decorator-sync-first')))
  t.notOk(ownsTemplate(load('decorator-finalize-sidecar-gone')), 'the ownerReference alone is not the template')
})
