import t from 'tap'
import { trimBlanks } from '../../../../lib/service/http/field-value.ts'

t.test('space and tab around a value go, bytes of characters stay', async t => {
  for (const [value, trimmed] of [
    ['', ''],
    [' \t ', ''],
    ['\t a \tb ', 'a \tb'],
    ['\u00c3\u00a0', '\u00c3\u00a0'],
    [' \u0085\u00a0\ufeff ', '\u0085\u00a0\ufeff'],
  ] as const)
    t.equal(trimBlanks(value), trimmed, JSON.stringify(value))
})
