import t from 'tap'
import { handshakes } from '../../../bench/load/handshakes.ts'
import { noErrors } from '../../../bench/load/job.ts'
import { clients, echo, job, serve } from './server.ts'

t.test('handshakes are counted, and so are connections that are cut', async t => {
  const good = await serve(t, echo)
  const report = await handshakes({ ...job, kind: 'handshakes', clients: clients(good) })
  t.same(report.errors, noErrors())
  t.ok(report.figures['perSecond']! > 0)
  let connections = 0
  const bad = await serve(t, (socket, data) => (connections++ === 0 ? socket.terminate() : echo(socket, data)))
  t.match((await handshakes({ ...job, kind: 'handshakes', clients: clients(bad) })).errors, { cut: 1 })
})
