import t from 'tap'
import { noErrors, type Report } from '../../../bench/load/job.ts'
import { openLoop } from '../../../bench/load/open.ts'
import { clients, echo, job, serve } from './server.ts'

t.test('the open loop keeps its rate and measures times', async t => {
  const port = await serve(t, echo)
  const report: Report = await openLoop({ ...job, kind: 'open', clients: clients(port), perSecond: 1000 })
  t.same(report.errors, noErrors())
  t.ok(report.figures['p50']! > 0)
  t.ok(report.figures['p99']! >= report.figures['p50']!)
  t.ok(report.figures['calmShare']! >= 0 && report.figures['calmShare']! <= 1)
})
