import t from 'tap'
import { Type } from 'typebox'
import { rules } from '../../../../hooks/composite/spec/cel.ts'
import { brokenRules } from './cel-model.ts'

t.test('rules stand in a schema where the API server looks for them, in their order', async t => {
  t.strictSame(rules(['self > 1', 'too small'], ['self < 9', 'too large']), {
    'x-kubernetes-validations': [
      { rule: 'self > 1', message: 'too small' },
      { rule: 'self < 9', message: 'too large' },
    ],
  })
})

t.test('the model of CEL that these tests use tells broken rules, at each depth', async t => {
  const schema = Type.Object(
    {
      a: Type.Optional(Type.Integer(rules(['self == oldSelf', 'a is fixed']))),
      list: Type.Optional(Type.Array(Type.String(rules(["self in ['x', 'y']", 'not in it'])))),
    },
    rules(['!has(self.a) || self.a > 1', 'small'], ['self.missing.deeper', 'an error']),
  )
  t.strictSame(brokenRules(schema, { a: 2 }), ['an error'])
  t.strictSame(brokenRules(schema, { a: 1 }, { a: 2 }), ['small', 'an error', 'a is fixed'])
  t.strictSame(brokenRules(schema, { list: ['x', 'z'] }), ['an error', 'not in it'])
  const map = Type.Record(
    Type.String(),
    Type.String(),
    rules(["self.all(key, key.matches('^a') && !key.startsWith('ab'))", 'keys']),
  )
  t.strictSame(brokenRules(map, { ac: '1' }), [])
  for (const bad of ['b', 'abc']) t.strictSame(brokenRules(map, { a: '', [bad]: '' }), ['keys'])
  const amount = Type.Any(rules(["quantity(self).compareTo(quantity('1Gi')) <= 0", 'much']))
  t.strictSame(brokenRules(amount, '1024Mi'), [])
  t.strictSame(brokenRules(amount, '1025Mi'), ['much'])
})
