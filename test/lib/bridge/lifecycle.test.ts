import t from 'tap'
import { Lifecycle } from '../../../lib/bridge/lifecycle.ts'

const lost = () => ({ code: 1006, closed: false, ended: false, gone: false })
const end = { cause: 'client', code: 1000, reason: '' } as const

t.test('a task that waits is woken by what happens, and by the end of the connection', async t => {
  const life = new Lifecycle({ now: 0 })
  let isReady = false
  const ready = life.until(() => isReady, 60_000)
  const never = life.until(() => false, 60_000)
  isReady = true
  life.wakeUp()
  await ready
  life.finish(end)
  await never
  t.equal(life.end, end)
})

t.test('it is closed when both sockets are gone, once the owner knows', async t => {
  const life = new Lifecycle({ now: 0 })
  const told: string[] = []
  const closed = life.closed.then(() => told.push('closed'))
  life.finish(end)
  life.socketGone()
  t.equal(life.state, 'closing')
  life.socketGone()
  t.equal(life.state, 'closed')
  await Promise.resolve()
  told.push('owner')
  life.resolveClosed()
  await closed
  t.strictSame(told, ['owner', 'closed'])
  await life.closed
})

t.test('a loss is revealed once, and from then on none is kept', async t => {
  const life = new Lifecycle({ now: 0 })
  const loss = lost()
  life.upstreamLost(loss)
  t.strictSame([life.isOrphaned, life.mayOrphan], [true, false])
  t.equal(life.reveal(), loss)
  t.equal(life.reveal(), undefined)
  life.upstreamLost(lost())
  t.strictSame([life.isOrphaned, life.mayOrphan, life.state], [false, false, 'open'])
})

t.test('what is left has ten sweeps from the first hurry on', async t => {
  const clock = { now: 5 }
  const life = new Lifecycle(clock)
  life.hurry()
  clock.now = 14
  life.hurry()
  t.notOk(life.isOverdue)
  clock.now = 15
  t.ok(life.isOverdue)
})
