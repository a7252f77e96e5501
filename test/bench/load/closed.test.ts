import t from 'tap'
import { closedLoop } from '../../../bench/load/closed.ts'
import { type Errors, noErrors } from '../../../bench/load/job.ts'
import { clients, echo, job, serve } from './server.ts'

const closed = (port: number) => closedLoop({ ...job, kind: 'closed', clients: clients(port), inFlight: 4 })

const cases: [string, Partial<Errors>, Parameters<typeof serve>[1]][] = [
  ['nothing', {}, echo],
  ['lost', { lost: 1 }, (socket, data, n) => n !== 5 && echo(socket, data)],
  [
    'doubled',
    { doubled: 1 },
    (socket, data, n) => {
      echo(socket, data)
      if (n === 5) echo(socket, data)
    },
  ],
  ['corrupt', { corrupt: 1, lost: 1 }, (socket, data, n) => socket.send(n === 5 ? 'other' : String(data))],
  ['binary', { corrupt: 1, lost: 1 }, (socket, data, n) => socket.send(data, { binary: n === 5 })],
]

for (const [name, wrong, answer] of cases) {
  t.test(`${name}`, async t => {
    const { figures, errors } = await closed(await serve(t, answer))
    t.same(errors, { ...noErrors(), ...wrong })
    t.ok(figures['perSecond']! > 0)
    t.notOk('perCpuSecond' in figures, 'no process was measured')
  })
}

t.test('reordered', async t => {
  let kept: Buffer | undefined
  const port = await serve(t, (socket, data, n) => {
    if (n === 1) kept = data
    else echo(socket, data)
    if (n === 2 && kept) echo(socket, kept)
  })
  t.same((await closed(port)).errors, { ...noErrors(), reordered: 1 })
})

t.test('cut', async t => {
  const port = await serve(t, (socket, data, n) => (n === 5 ? socket.terminate() : echo(socket, data)))
  t.match((await closed(port)).errors, { cut: 1 })
})
