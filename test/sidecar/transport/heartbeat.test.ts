import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { Heartbeat } from '../../../sidecar/transport/heartbeat.ts'

function start(t: Test) {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const events: string[] = []
  const world = { busy: false }
  const heartbeat = new Heartbeat({
    pingMs: 10,
    idleMs: 30,
    busy: () => world.busy,
    ping: () => void events.push('ping'),
    onDead: () => void events.push('dead'),
    onIdle: () => void events.push('idle'),
  })
  const tick = () => {
    mock.timers.tick(10)
    return events.splice(0).join()
  }
  return { heartbeat, tick, world }
}

t.test('nothing after two pings: dead', async t => {
  const { heartbeat, tick, world } = start(t)
  world.busy = true
  heartbeat.start()
  t.strictSame([tick(), tick(), tick()], ['ping', 'ping', 'dead'])
})

t.test('whatever arrives counts as an answer', async t => {
  const { heartbeat, tick, world } = start(t)
  world.busy = true
  heartbeat.start()
  for (let n = 0; n < 10; n++) {
    t.equal(tick(), 'ping')
    t.equal(tick(), 'ping')
    heartbeat.received()
  }
})

t.test('a connection without messages is idle, unless something was written lately', async t => {
  const { heartbeat, tick, world } = start(t)
  heartbeat.start()
  const answered = () => {
    heartbeat.received()
    return tick()
  }
  t.strictSame([answered(), answered()], ['ping', 'ping'])
  heartbeat.sent()
  t.strictSame([answered(), answered()], ['ping', 'ping'])
  world.busy = true
  t.equal(answered(), 'ping')
  world.busy = false
  t.strictSame([answered(), answered(), answered()], ['ping', 'ping', 'idle'])
})

t.test('after its stop it does nothing', async t => {
  const { heartbeat, tick } = start(t)
  heartbeat.start()
  heartbeat.stop()
  t.strictSame([tick(), tick(), tick(), tick()], ['', '', '', ''])
})
