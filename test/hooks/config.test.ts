import { join } from 'node:path'
import t from 'tap'
import { DEFAULT_IMAGE, loadHooksConfig, OPERATOR_VERSION } from '../../hooks/config.ts'
import manifest from '../../package.json' with { type: 'json' }

t.test('hooks without any setting use the image of their own version, ask for no token and give none', async t => {
  t.equal(OPERATOR_VERSION, manifest.version)
  t.equal(DEFAULT_IMAGE, `ws-operator:${manifest.version}`)
  t.match(loadHooksConfig({}), {
    IMAGE: DEFAULT_IMAGE,
    IMAGE_PULL_POLICY: 'IfNotPresent',
    CLUSTER_DOMAIN: 'cluster.local',
    TOKEN_FILE: [],
    MASTER_KEY_FILE: [],
    TOKEN_REQUIRED: true,
  })
})

t.test('an image that no kubelet can read is refused at the start', async t => {
  t.equal(loadHooksConfig({ WS_OPERATOR_IMAGE: 'registry.example/x:1' }).IMAGE, 'registry.example/x:1')
  t.throws(() => loadHooksConfig({ WS_OPERATOR_IMAGE: 'No Image' }), {
    name: 'ConfigError',
    message: /^WS_OPERATOR_IMAGE: must be an image reference .*\(it is "No Image"\)$/,
  })
})

t.test('all bad settings are named at once', async t => {
  const env = { WS_OPERATOR_MAX_BODY_BYTES: '1', WS_OPERATOR_IMAGE_PULL_POLICY: 'Sometimes', WS_OPERATOR_IMAGE: '/' }
  t.throws(() => loadHooksConfig(env), { message: /(?=.*MAX_BODY_BYTES)(?=.*PULL_POLICY)(?=.*_IMAGE: )/s })
})

t.test('the bearer tokens come from a file', async t => {
  const dir = t.testdir({ tokens: 'one\ntwo\n' })
  t.strictSame(loadHooksConfig({ WS_OPERATOR_TOKEN_FILE: join(dir, 'tokens') }).TOKEN_FILE, ['one', 'two'])
  t.throws(() => loadHooksConfig({ WS_OPERATOR_TOKEN_FILE: join(dir, 'absent') }), {
    message: /^WS_OPERATOR_TOKEN_FILE: /,
  })
})

t.test('hooks that give tokens to pods ask their callers for one', async t => {
  const dir = t.testdir({ keys: `${'k'.repeat(32)}\n`, tokens: 'one\n' })
  const keys = { WS_OPERATOR_MASTER_KEY_FILE: join(dir, 'keys') }
  t.throws(() => loadHooksConfig(keys), { message: /WS_OPERATOR_MASTER_KEY_FILE needs WS_OPERATOR_TOKEN_FILE: / })
  t.doesNotThrow(() => loadHooksConfig({ ...keys, WS_OPERATOR_TOKEN_FILE: join(dir, 'tokens') }))
})
