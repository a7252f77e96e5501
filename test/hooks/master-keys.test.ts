import { join } from 'node:path'
import t from 'tap'
import { loadHooksConfig } from '../../hooks/config.ts'
import { readMasterKeys } from '../../hooks/master-keys.ts'

const KEY = 'a key of thirty-two characters !'
const OTHER = 'another key, of more than thirty-two characters'

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
