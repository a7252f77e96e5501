import { join } from 'node:path'
import t from 'tap'
import { loadHooksConfig } from '../../../hooks/config.ts'
import { finalizeDeployment, syncDeployment } from '../../../hooks/decorator/decorator.ts'
import { tokenSecret } from '../../../hooks/decorator/pod-token.ts'
import { readMasterKeys } from '../../../hooks/master-keys.ts'
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

t.test('the file of keys is read at start, and a bad one is named without what is in it', async t => {
  const dir = t.testdir({
    good: `${KEY}\n\n  ${OTHER}  \n`,
    empty: '\n',
    short: 'short',
    token: 'a,token\n',
    many: `${KEY}\n`.repeat(5),
  })
  t.strictSame(readMasterKeys(''), [], 'none asked for')
  t.strictSame(readMasterKeys(join(dir, 'good')), [KEY, OTHER])
  for (const [name, says] of [
    ['empty', /WS_OPERATOR_MASTER_KEY_FILE: must hold 1 to 4 keys, one a line; it holds 0/],
    ['many', /it holds 5/],
    ['short', /must hold keys of 32 characters or more, such as openssl/],
    ['absent', /must be a file that can be read: ENOENT/],
  ] as const) {
    const load = () => loadHooksConfig({ WS_OPERATOR_MASTER_KEY_FILE: join(dir, name) })
    t.throws(load, { message: says }, name)
  }
  t.throws(() => loadHooksConfig({ WS_OPERATOR_MASTER_KEY_FILE: join(dir, 'good') }), {
    message: /WS_OPERATOR_MASTER_KEY_FILE needs WS_OPERATOR_TOKEN_FILE: .* Add the component webhook-auth/,
  })
  const both = { WS_OPERATOR_MASTER_KEY_FILE: join(dir, 'good'), WS_OPERATOR_TOKEN_FILE: join(dir, 'token') }
  t.match(loadHooksConfig(both), { MASTER_KEY_FILE: [KEY, OTHER], TOKEN_FILE: ['a,token'] })
  t.throws(() => readMasterKeys(join(dir, 'short')), { message: /^((?!short)[\s\S])*$/ })
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
