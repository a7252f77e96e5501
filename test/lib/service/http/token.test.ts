import { join } from 'node:path'
import t from 'tap'
import { ownToken, readTokens, tokenCheck, tokenMatcher, tokenProblems } from '../../../../lib/service/http/token.ts'

t.test('without a token everybody passes; with one, only who shows it', async t => {
  await t.resolves(tokenCheck([])({ headers: {} }))
  const check = tokenCheck(['s3cret'])
  await t.resolves(check({ headers: { authorization: 'Bearer s3cret' } }))
  for (const authorization of ['', 's3cret', 'Bearer s3cre', 'Bearer s3crets', 'bearer s3cret', 'Bearer ']) {
    await t.rejects(check({ headers: { authorization } }), { code: 'WSO_ERR_UNAUTHORIZED', statusCode: 401 })
  }
  await t.rejects(check({ headers: {} }), { code: 'WSO_ERR_UNAUTHORIZED' })
})

t.test('tokens are read from a file, one a line, and nothing else is taken for one', async t => {
  const folder = t.testdir({
    good: ' s3cret\n',
    list: 'new,with-commas,\r\n\nold\n',
    empty: '\n',
    two: 'one two',
    binary: 'a\u0000b',
    many: 'a\nb\nc\nd\ne',
  })
  t.strictSame(readTokens(join(folder, 'good')), ['s3cret'])
  t.strictSame(readTokens(join(folder, 'list')), ['new,with-commas,', 'old'])
  for (const name of ['empty', 'two', 'binary', 'many'])
    t.throws(() => readTokens(join(folder, name)), { message: /must hold 1 to 4 tokens of printable characters/ }, name)
  t.throws(() => readTokens(join(folder, 'absent')), { message: /cannot be read: ENOENT/ })
})

t.test('a token of a list may have commas', async t => {
  const check = tokenCheck(['new,with,commas', 'old'])
  for (const token of ['new,with,commas', 'old']) {
    await t.resolves(check({ headers: { authorization: `Bearer ${token}` } }), token)
  }
  for (const token of ['new', 'with', 'commas', '']) {
    await t.rejects(check({ headers: { authorization: `Bearer ${token}` } }), { code: 'WSO_ERR_UNAUTHORIZED' }, token)
  }
})

t.test('of several tokens the first is shown, and each is taken', async t => {
  t.equal(ownToken(''), '')
  t.equal(ownToken('new, old'), 'new')
  const shows = tokenMatcher('new,old')
  for (const token of ['new', 'old']) t.equal(shows({ headers: { authorization: `Bearer ${token}` } }), true)
  for (const token of ['new,old', '']) t.equal(shows({ headers: { authorization: `Bearer ${token}` } }), false)
  t.equal(shows({ headers: {} }), false)
  t.equal(tokenMatcher('')({ headers: { authorization: 'Bearer ' } }), false)
})

t.test('a setting that asks for a token must have one, and one that can be shown', async t => {
  for (const good of ['', 's3cret', ' new, old ', 'one,', 'a b', 'schlüssel'])
    t.strictSame(tokenProblems(good), [], good)
  for (const blank of [',', ' ', '\n', ' , ,'])
    t.match(tokenProblems(blank), ['has no token in it'], JSON.stringify(blank))
  for (const bad of ['a\nb', 'good,b\u2013d', '\u0000'])
    t.match(tokenProblems(bad), ['has a token with a character that no header can carry'], JSON.stringify(bad))
})
