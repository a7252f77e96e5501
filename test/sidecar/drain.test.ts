import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { Bridge } from '../../lib/wire/bridge.ts'
import { handOverAll } from '../../sidecar/drain.ts'
import type { Identity } from '../../sidecar/upgrade.ts'

/** Connections that go as soon as they were asked, or when they are closed. */
function start(count: number, goes = true) {
  const open = new Set<Bridge<Identity>>()
  const seen = { asked: 0, closed: 0 }
  for (let n = 0; n < count; n++) {
    const connection = {
      close() {
        seen.closed++
        open.delete(bridge)
      },
    }
    const bridge = connection as unknown as Bridge<Identity>
    open.add(bridge)
  }
  const ask = (bridge: Bridge<Identity>) => {
    seen.asked++
    if (goes) open.delete(bridge)
  }
  return { seen, options: { connections: () => [...open], ask } }
}

t.test('all are asked and none is closed, paced over part of the time', async t => {
  const { seen, options } = start(100)
  const began = performance.now()
  t.equal(await handOverAll(options, Date.now() + 60_000), 0)
  t.strictSame(seen, { asked: 100, closed: 0 })
  const took = performance.now() - began
  t.ok(took >= 100, `not all at once: ${took} ms`)
})

t.test('who is left in the end is closed', async t => {
  const { seen, options } = start(3, false)
  t.equal(await handOverAll(options, Date.now() + 100), 3)
  t.equal(seen.closed, 3)
})

for (const jump of [-3_600_000, 3_600_000])
  t.test(`a wall clock that is set by ${jump / 60_000} minutes meanwhile changes nothing`, async t => {
    const real = Date.now
    t.teardown(() => {
      Date.now = real
    })
    const { seen, options } = start(200)
    const ask = (bridge: Bridge<Identity>) => {
      options.ask(bridge)
      Date.now = () => real() + jump
    }
    const done = handOverAll({ ...options, ask }, real() + 4000)
    const late = new AbortController()
    t.equal(await Promise.race([done, sleep(8000, 'it does not end', { signal: late.signal })]), 0)
    late.abort()
    t.strictSame(seen, { asked: 200, closed: 0 })
  })
