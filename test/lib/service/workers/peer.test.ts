import cluster from 'node:cluster'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Peer } from '../../../../lib/service/workers/peer.ts'
import type { Stall } from '../../../../lib/service/workers/stall.ts'
import { fork } from './fork.ts'

t.setTimeout(180_000)

/** A worker as its primary sees it. */
function start(t: Test, behaviour = '') {
  const forked = fork(t, behaviour)
  return { ...forked, peer: new Peer(forked.worker) }
}

t.test('each question gets its own answer, however many are open', async t => {
  const { peer, worker, logged } = start(t)
  await logged('worker listening')
  t.equal(peer.id, worker.id)
  const [readiness, metrics, again] = await Promise.all([
    peer.ask('readiness'),
    peer.ask('metrics'),
    peer.ask('readiness'),
  ])
  t.strictSame([readiness, again], [{ reason: 'not yet' }, { reason: 'not yet' }])
  t.ok(metrics?.snapshot.some(({ name }) => name === 'ws_operator_served_total'))
})

t.test('a worker that says nothing: the question is over after a while, without an answer', async t => {
  const { peer, worker, logged } = start(t)
  await logged('worker listening')
  worker.process.kill('SIGSTOP')
  t.equal(await peer.ask('readiness'), undefined)
  worker.process.kill('SIGCONT')
  t.strictSame(await peer.ask('readiness'), { reason: 'not yet' }, 'and a late answer is not taken for the next')
})

t.test('the end of the process answers open questions at once', async t => {
  const { peer, worker, logged } = start(t)
  await logged('worker listening')
  worker.process.kill('SIGSTOP')
  let answered: unknown = 'open'
  void peer.ask('metrics').then(answer => (answered = answer))
  peer.kill()
  t.strictSame(await peer.ended, { code: null, signal: 'SIGKILL', failure: undefined, stall: undefined })
  await turn()
  t.equal(answered, undefined)
})

t.test('told to drain it ends with the code of the worker', async t => {
  const { peer, logged } = start(t)
  await logged('worker listening')
  const deadline = Date.now() + 10_000
  peer.drain(deadline)
  t.match(await peer.ended, { code: 0, signal: null })
  t.match(await logged('stopping'), { deadline })
  t.equal(await peer.ask('readiness'), undefined, 'one that has ended is not asked')
})

t.test('a worker that cannot start: its end says why, with the stack of the worker', async t => {
  const { peer } = start(t, 'bad-start')
  const { code, failure } = await peer.ended
  t.equal(code, 1)
  t.match(failure, { message: 'the flux capacitor is missing', stack: /fixture-worker/ })
})

t.test('a process that could not be made: its end is the error of the system', async t => {
  const { settings } = cluster
  t.teardown(() => cluster.setupPrimary({ ...settings, cwd: undefined }))
  cluster.setupPrimary({ cwd: '/nonexistent' })
  const { peer } = start(t)
  const { code, signal, failure } = await peer.ended
  t.strictSame([code, signal], [null, null])
  t.match(failure, { code: 'ENOENT' })
})

t.test('a worker that stands still through several checks is killed, and its end says so', async t => {
  const { peer, worker, logged } = start(t)
  await logged('worker listening')
  peer.listening = true
  worker.process.kill('SIGSTOP')
  const stalls: (Stall | undefined)[] = []
  while (!stalls.includes('stopped') && stalls.length < 20) {
    stalls.push(peer.check())
    await turn()
  }
  t.strictSame(stalls.slice(0, 3), [undefined, undefined, undefined], 'not at the first silence')
  t.equal(stalls.at(-1), 'stopped')
  t.match(await peer.ended, { signal: 'SIGKILL', stall: 'stopped' })
})

t.test('a worker that answers between checks is never killed for silence', async t => {
  const { peer, logged } = start(t)
  await logged('worker listening')
  for (let n = 0; n < 40; n++) {
    t.equal(peer.check(), undefined)
    await peer.ask('readiness')
  }
})
