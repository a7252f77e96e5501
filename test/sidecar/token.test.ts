import t from 'tap'
import { tokenCheck } from '../../sidecar/token.ts'

t.test('without a token everybody passes; with one, only who shows it', async t => {
  await t.resolves(tokenCheck('')({ headers: {} }))
  await t.resolves(tokenCheck('')({ headers: { authorization: 'Bearer whatever' } }))
  const check = tokenCheck('s3cret')
  await t.resolves(check({ headers: { authorization: 'Bearer s3cret' } }))
  for (const authorization of ['', 's3cret', 'Bearer s3cre', 'Bearer s3crets', 'bearer s3cret', 'Bearer ']) {
    await t.rejects(check({ headers: { authorization } }), { code: 'WSO_ERR_UNAUTHORIZED', statusCode: 401 })
  }
  await t.rejects(check({ headers: {} }), { code: 'WSO_ERR_UNAUTHORIZED' })
})
