import t from 'tap'
import { missingService, refuseServiceName } from '../../../hooks/decorator/headless-service.ts'
import type { ObservedObjects } from '../../../hooks/requests/schemas.ts'

/** Attachments with a Service of this name. */
const observed = (name: string): ObservedObjects => ({
  'Service.v1': {
    [name]: { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace: 'team', uid: 'u' } },
  },
})
const refused = (name: string | undefined, attachments: ObservedObjects = {}) =>
  refuseServiceName(name === undefined ? {} : { 'headless-service': name }, attachments)

t.test('a name that no other Service has is taken', async t => {
  for (const name of [undefined, 'ws-proxy-headless', 'members-ws-proxy-headless']) t.equal(refused(name), undefined)
})

t.test('a name that a Service of the user could have is refused', async t => {
  for (const name of ['chat', 'ws-proxy-headless-2', 'myws-proxy-headless', 'headless']) {
    const refusal = refused(name)
    t.equal(refusal?.reason, 'headless-service', name)
    t.match(refusal?.message, `A Service named ${name} could belong to another app`)
  }
})

t.test('a name in use is kept, so that an older Deployment goes on', async t => {
  t.equal(refused('chat', observed('chat')), undefined)
  t.equal(refused('chat', observed('other'))?.reason, 'headless-service')
})

t.test('a missing Service is told until there is one', async t => {
  for (const none of [{}, { 'Service.v1': {} }])
    t.match(missingService('chat-x', none), [/^Service chat-x is not made yet, .* ws\.operator\/headless-service\.$/])
  t.strictSame(missingService('chat-x', observed('chat-x')), [])
})
