import t from 'tap'
import { code, table } from '../../../scripts/docs/markdown.ts'

t.test('a table has its head, a rule of as many cells, and its rows', async t => {
  t.equal(
    table(
      ['a', 'b'],
      [
        ['1', '2'],
        ['3', ''],
      ],
    ),
    '| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 |  |',
  )
  t.equal(table(['a'], []), '| a |\n| --- |', 'without rows')
})

t.test('bars in cells do not make more cells', async t => {
  const text = table(['a|b', 'c'], [['x | y | z', code('p|q')]])
  t.equal(text, '| a\\|b | c |\n| --- | --- |\n| x \\| y \\| z | `p\\|q` |')
  t.strictSame(
    text.split('\n').map(line => line.split(/(?<!\\)\|/).length),
    [4, 4, 4],
  )
})

t.test('text is code; no text is no code', async t => {
  t.equal(code('a'), '`a`')
  t.equal(code(''), '')
})
