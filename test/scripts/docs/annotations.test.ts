import t from 'tap'
import { ANNOTATIONS, WRITTEN } from '../../../hooks/annotations/annotations.ts'
import { TUNING } from '../../../hooks/annotations/tuning-annotations.ts'
import { REFUSALS } from '../../../hooks/decorator/refusals.ts'
import { annotationsPage } from '../../../scripts/docs/annotations.ts'
import { rowsOf } from './table.ts'

const rows = rowsOf(annotationsPage())
const written = (names: string[]) => names.map(name => `\`ws.operator/${name}\``)

t.test('each annotation has one row, the general ones before limits and times', async t => {
  const tuning = Object.keys(TUNING)
  const general = Object.keys(ANNOTATIONS).filter(name => !tuning.includes(name))
  t.ok(general.length > 20 && tuning.length > 5)
  t.strictSame(
    rows.filter(({ length }) => length === 4).map(([name]) => name),
    written(general),
  )
  t.strictSame(
    rows.filter(({ length }) => length === 5).map(([name]) => name),
    written(tuning),
  )
})

t.test('a row says values, default and meaning', async t => {
  const { values, fallback, description } = ANNOTATIONS.route
  t.equal(values, 'inbound | outbound | both')
  t.strictSame(
    rows.find(([name]) => name === '`ws.operator/route`'),
    ['`ws.operator/route`', values, fallback, description],
  )
})

t.test('limits and times say for whom they are', async t => {
  const whom = (name: string) => rows.find(([cell]) => cell === `\`ws.operator/${name}\``)?.at(-1)
  t.equal(whom('max-header-bytes'), 'both, `spec.limits.maxHeaderBytes`')
  t.equal(whom('client-ping-seconds'), 'balancer, `spec.keepAlive.clientPingSeconds`')
  t.equal(whom('sidecar-max-connections'), 'sidecar')
})

t.test('what the operator writes and each refusal have their row', async t => {
  const short = rows.filter(({ length }) => length === 2)
  t.strictSame(short, [
    ...Object.entries(WRITTEN).map(([name, meaning]) => [`\`ws.operator/${name}\``, meaning]),
    ...Object.entries(REFUSALS).map(([reason, meaning]) => [`\`${reason}\``, meaning]),
  ])
})
