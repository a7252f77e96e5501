import t from 'tap'
import { MAX_NESTING, refuseDeep } from '../../hooks/nesting.ts'

const nested = (levels: number, wrap: (value: unknown) => unknown) => {
  let value: unknown = null
  for (let i = 0; i < levels; i++) value = wrap(value)
  return value
}

t.test('takes a body up to the limit, of whatever it is made', async t => {
  for (const wrap of [
    (value: unknown) => [value],
    (value: unknown) => ({ value }),
    (value: unknown) => [1, { value }, null],
  ]) {
    const per = JSON.stringify(wrap(0)).startsWith('[1') ? 2 : 1
    await t.resolves(refuseDeep({ body: nested(MAX_NESTING / per, wrap) }))
    await t.rejects(refuseDeep({ body: nested(MAX_NESTING / per + 1, wrap) }), {
      statusCode: 400,
      message: /deeper than 256/,
    })
  }
  for (const body of [null, undefined, 1, 'text', Array(100_000).fill({})]) await t.resolves(refuseDeep({ body }))
})
