import t from 'tap'
import { logLines, logsPage } from '../../../scripts/docs/logs.ts'
import { rowsOf } from './table.ts'

const rows = rowsOf(logsPage())
const row = (message: string) => rows.find(([cell]) => cell === `\`${message}\``)

t.test('each message that a source logs has one row with a meaning, and no row is of nothing', async t => {
  const messages = [...new Set(logLines().map(({ message }) => `\`${message}\``))]
  t.ok(messages.length > 30)
  t.strictSame(rows.map(([message]) => message).sort(), messages.sort())
  for (const [message = '', level, programs, , meaning] of rows) t.ok(level && programs && meaning, message)
})

t.test('rows are in alphabetic order, whatever the case', async t => {
  const names = rows.map(([message = '']) => message.slice(1, -1).toLowerCase())
  t.strictSame(
    names,
    names.toSorted((a, b) => (a < b ? -1 : 1)),
  )
})

t.test('a line names the programs whose sources write it', async t => {
  const programs = (message: string) => row(message)?.[2]
  t.equal(programs('listening'), 'sidecar, balancer, hooks')
  t.equal(programs('connected'), 'sidecar, balancer')
  t.equal(programs('answered'), 'hooks')
  t.equal(programs('taken'), 'sidecar')
  t.equal(programs('hook refused'), 'hooks', 'not all that have its source')
  t.equal(programs('worker listening'), 'balancer')
  for (const [message = '', , of] of rows) if (message.endsWith('it is killed`')) t.equal(of, 'balancer', message)
})

t.test('levels and fields are those of all calls', async t => {
  t.equal(row('discovery: …')?.[1], 'debug, warn', 'one call that chooses')
  t.equal(row('disconnected')?.[1], 'debug, warn')
  t.match(row('disconnected')?.[3], '`user`, `connection`, `member`')
  t.strictSame(row('cannot start: …')?.slice(1, 4), ['fatal', 'sidecar, balancer, hooks', '`err`'])
})

t.test('a message from elsewhere is each that its source can have', async t => {
  const of = (source: string) => logLines().filter(line => line.source === source)
  t.strictSame([...new Set(of('lib/service/log/failure-log.ts').map(({ message }) => message))].sort(), [
    'hook refused',
    'request failed',
  ])
  const killed = of('lib/service/workers/pool.ts').filter(({ message }) => message.endsWith('it is killed'))
  t.equal(killed.length, 2)
})
