import t, { type Test } from 'tap'
import type { FromWorker, ToWorker } from '../../../../lib/service/workers/messages.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { fork } from './fork.ts'

t.setTimeout(180_000)

/** A worker, and what it has said to its primary. */
function start(t: Test, behaviour = '') {
  const forked = fork(t, behaviour)
  const said: FromWorker[] = []
  forked.worker.on('message', (message: FromWorker) => said.push(message))
  const say = (message: ToWorker) => void forked.worker.send(message)
  let asked = 0
  return {
    ...forked,
    said,
    say,
    async ask(question: 'readiness' | 'metrics') {
      const id = ++asked
      say({ ask: question, id })
      const find = () => said.find(message => 'id' in message && message.id === id)
      await waitFor(() => find() !== undefined, `the answer to question ${id}`)
      return (find() as Extract<FromWorker, { id: number }>).answer
    },
  }
}

t.test('it answers whether it is ready, and what it has counted', async t => {
  const { logged, ask, tell } = start(t)
  await logged('worker listening')
  t.strictSame(await ask('readiness'), { reason: 'not yet' })
  await tell('ready')
  t.strictSame(await ask('readiness'), {}, 'undefined does not travel')
  const { snapshot } = (await ask('metrics')) as { snapshot: { name: string; values: { value: number }[] }[] }
  t.equal(snapshot.find(({ name }) => name === 'ws_operator_served_total')?.values[0]?.value, 7)
})

t.test('told to drain, it stops by the deadline of its primary, writes its last lines, and exits with 0', async t => {
  const { logged, say, exited, lines } = start(t)
  await logged('worker listening')
  const deadline = Date.now() + 12_345
  say({ drain: deadline })
  t.equal(await exited, 0)
  t.match(await logged('stopping'), { deadline })
  t.equal(lines().at(-1)?.['msg'], 'flushed')
})

t.test('while it drains it is not ready, and still answers', async t => {
  const { logged, say, ask, tell, exited } = start(t, 'told-to-stop')
  await logged('worker listening')
  await tell('ready')
  say({ drain: Date.now() + 10_000 })
  await logged('stopping')
  t.strictSame(await ask('readiness'), { reason: 'shutting down' })
  await tell('stop')
  t.equal(await exited, 0)
})

t.test('signals that a terminal sends to the whole group do not end it: its primary decides', async t => {
  const { logged, worker, ask, lines } = start(t)
  await logged('worker listening')
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const) worker.process.kill(signal)
  t.strictSame(await ask('readiness'), { reason: 'not yet' })
  t.notOk(lines().some(({ msg }) => msg === 'stopping'))
  t.equal(worker.process.exitCode, null)
})

t.test('an uncaught error: it leaves the port at once, stops, and exits with 1', async t => {
  const { logged, tell, exited, lines } = start(t)
  await logged('worker listening')
  void tell('throw')
  t.equal(await exited, 1)
  t.match(await logged('uncaught error'), { level: 'fatal', err: { message: 'nobody catches this' } })
  const order = lines().map(({ msg }) => msg)
  t.strictSame(order.slice(order.indexOf('uncaught error')), ['uncaught error', 'leaving', 'stopping', 'flushed'])
  const { left } = await logged('stopping')
  t.ok((left as number) <= 19_500, 'within its own limit, for no primary has set one')
})

t.test('a stop that does not end is cut off at the limit, with exit code 1', async t => {
  const { logged, say, exited } = start(t, 'endless-stop')
  await logged('worker listening')
  say({ drain: Date.now() + 60_000 })
  t.equal(await exited, 1)
  t.match(await logged('shutdown'), { level: 'error', err: /timeout \(300ms\)/ })
})

t.test('a worker that cannot start says why before it exits with 1', async t => {
  const { said, exited, lines } = start(t, 'bad-start')
  t.equal(await exited, 1)
  await waitFor(() => said.length === 1, 'its message')
  t.match(said, [{ failed: { message: 'the flux capacitor is missing', stack: /fixture-worker/ } }])
  t.notOk(lines().some(({ msg }) => msg === 'worker listening'))
})
