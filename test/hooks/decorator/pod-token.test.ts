import t from 'tap'
import { finalizeDeployment, syncDeployment } from '../../../hooks/decorator/decorator.ts'
import { tokenSecret } from '../../../hooks/decorator/pod-token.ts'
import type { DecoratorRequest } from '../../../hooks/requests/schemas.ts'
import { config, recorded } from '../helper.ts'

const KEY = 'a key of thirty-two characters !'
const OTHER = 'another key, of more than thirty-two characters'

const deployment = () => recorded<DecoratorRequest>('decorator-sync-first').object
const tokens = (keys: string[], object = deployment()) =>
  Buffer.from(tokenSecret(object, keys).data?.['token'] ?? '', 'base64')
    .toString()
    .split(',')

t.test('a token depends on the key and on the object, and on nothing else', async t => {
  const [token = ''] = tokens([KEY])
  t.match(token, /^[\w-]{43}$/, '32 bytes')
  t.equal(
    token,
    'E8w16_DoRi2gMbBe-MV5WGoXz_MxKT4i4tH7D8RlKJk',
    'as RFC 5869 says; a change of it would part running pods from new ones',
  )
  const changed = deployment()
  changed.metadata.annotations = { 'ws.operator/drain-seconds': '5' }
  t.strictSame(tokens([KEY], changed), [token])
  t.not(tokens([OTHER])[0], token)
  const again = deployment()
  again.metadata.uid = 'another'
  t.not(tokens([KEY], again)[0], token, 'a Deployment that is made anew has another')
})

t.test('of several keys each makes a token, in their order', async t => {
  t.strictSame(tokens([OTHER, KEY]), [...tokens([OTHER]), ...tokens([KEY])])
})

t.test('with a key the Deployment gets a Secret, and its sidecar reads it', async t => {
  const sync = (rendering: Partial<typeof config>) =>
    syncDeployment(recorded<DecoratorRequest>('decorator-sync-first'), { ...config, ...rendering }).response
  const env = ({ attachments }: ReturnType<typeof sync>) => {
    const self = attachments.find(({ kind }) => kind === 'Deployment')?.spec as DecoratorRequest['object']['spec']
    return self.template.spec.initContainers?.[0]?.env ?? []
  }
  const named = (name: string) => (variable: { name: string }) => variable.name === `WS_OPERATOR_${name}`
  const without = sync({})
  t.notOk(without.attachments.some(({ kind }) => kind === 'Secret'))
  t.notOk(env(without).some(named('TOKEN')))
  const keyed = sync({ MASTER_KEY_FILE: [KEY] })
  t.match(
    keyed.attachments.find(({ kind }) => kind === 'Secret'),
    { metadata: { name: 'chat-ws-proxy-token', namespace: 'default', labels: { 'ws.operator/target': 'chat' } } },
  )
  t.strictSame(env(keyed).find(named('TOKEN')), {
    name: 'WS_OPERATOR_TOKEN',
    valueFrom: { secretKeyRef: { name: 'chat-ws-proxy-token', key: 'token' } },
  })
  t.notOk(env(keyed).some(named('TOKEN_REQUIRED')), 'required, as the sidecar does by itself')
  const open = sync({ MASTER_KEY_FILE: [KEY], TOKEN_REQUIRED: false })
  t.match(env(open).find(named('TOKEN_REQUIRED')), { value: 'false' })
  t.notOk(env(sync({ TOKEN_REQUIRED: false })).some(named('TOKEN_REQUIRED')), 'nothing to require without a key')
})

t.test('removal leaves no Secret', async t => {
  const { attachments } = finalizeDeployment(recorded('decorator-finalize-label-removed')).response
  t.notOk(attachments.some(({ kind }) => kind === 'Secret'))
})
