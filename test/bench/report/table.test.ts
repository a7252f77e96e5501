import t from 'tap'
import { format, table } from '../../../bench/report/table.ts'

t.test('a table in Markdown', async t => {
  t.equal(table(['a', 'b'], [['x', '1']]), '| a | b |\n|---|---:|\n| x | 1 |')
})

t.test('numbers have as many digits as mean something', async t => {
  const shown = [1_234_567.8, 100, 99.96, 12.34, 1.234, 0.5, 0.0432, 0]
  t.same(shown.map(format), ['1,234,568', '100', '100.0', '12.3', '1.23', '0.50', '0.043', '0.000'])
})
