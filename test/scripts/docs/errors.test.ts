import t from 'tap'
import { ERRORS } from '../../../lib/service/http/errors.ts'
import { errorsPage } from '../../../scripts/docs/errors.ts'
import { rowsOf } from './table.ts'

const [, clients = '', peers = '', hooks = ''] = errorsPage().split(/^## .*$/m)
const codes = (section: string) => rowsOf(section).map(([, code]) => code)

t.test('every error has one row, with its status and whether a retry helps', async t => {
  const rows = [clients, peers, hooks].flatMap(rowsOf)
  t.equal(rows.length, Object.keys(ERRORS).length + 1, 'and the one that Node answers')
  for (const { code, status, retryable } of Object.values(ERRORS)) {
    const found = rows.filter(row => row[1] === `\`${code}\``)
    t.strictSame(
      found.map(([shown, , , , retry]) => [shown, retry]),
      [[String(status), retryable ? 'yes' : 'no']],
      code,
    )
  }
  for (const [, code, meaning, action] of rows) t.ok(meaning && action, `${code}: meaning and what to do`)
})

t.test('an error is in the section of who gets it', async t => {
  t.ok(codes(clients).includes('`WSO_ERR_MISSING_KEY`'))
  t.ok(codes(peers).includes('`WSO_ERR_OFFLINE`'))
  t.ok(codes(hooks).includes('`WSO_ERR_LENGTH_REQUIRED`'))
})

t.test('rows are sorted by status, with the one that Node answers in its place', async t => {
  for (const section of [clients, peers, hooks]) {
    const statuses = rowsOf(section).map(([status]) => Number(status))
    t.strictSame(
      statuses,
      statuses.toSorted((a, b) => a - b),
    )
  }
  t.strictSame(rowsOf(clients).find(([status]) => status === '431')?.[1], 'none')
})
