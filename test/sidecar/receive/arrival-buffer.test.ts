import t from 'tap'
import { ArrivalBuffer } from '../../../sidecar/receive/arrival-buffer.ts'
import type { LocalMessage } from '../../../sidecar/receive/local-message.ts'

const routed = (user: string, bytes: number): LocalMessage => ({
  user,
  deliver: 'app',
  message: { data: Buffer.alloc(bytes, 'x'), binary: false },
  deliveredTo: undefined,
})

/** A room of 10,000 bytes; what waits in it goes on when the test says so. */
function start() {
  const room = new ArrivalBuffer(10_000)
  let open = () => {}
  const until = new Promise<void>(resolve => {
    open = resolve
  })
  const enter = (user: string, bytes: number) => room.wait(routed(user, bytes), until, 'full', () => user)
  return { room, enter, open: () => open() }
}

t.test('what waits goes on with the message that it was', async t => {
  const { room } = start()
  const before = routed('bob', 10)
  const kept = await room.wait<LocalMessage | undefined>(before, Promise.resolve(), undefined, after => after)
  t.strictSame(kept, before)
})

t.test('what waits too long goes nowhere, and gives its room back', async t => {
  const { room } = start()
  const never = new Promise(() => {})
  t.equal(await room.wait(routed('bob', 9000), never, 'full', () => 'gone on', 20), 'full')
  t.equal(await room.wait(routed('bob', 9000), Promise.resolve(), 'full', () => 'in', 20), 'in')
})

t.test('it keeps nothing but the message of what it came in', async t => {
  const batch = Buffer.alloc(262_144)
  const { room } = start()
  const cut = { ...routed('bob', 0), message: { data: batch.subarray(100, 110), binary: true } }
  const kept = await room.wait<LocalMessage | undefined>(cut, Promise.resolve(), undefined, after => after)
  t.equal(kept?.message.data.buffer.byteLength, 10)
})

t.test('a user gets a quarter of the room, and it is given back', async t => {
  const { room, enter, open } = start()
  const waiting = [enter('bob', 1000), enter('bob', 900)]
  t.equal(await enter('bob', 100), 'full')
  waiting.push(enter('ann', 1000))
  open()
  t.strictSame(await Promise.all(waiting), ['bob', 'bob', 'ann'])
  t.equal(await room.wait(routed('bob', 100), Promise.resolve(), 'full', () => 'in'), 'in')
})

t.test('one message may be larger than that, and all together fill the room', async t => {
  const { enter, open } = start()
  const waiting = [enter('bob', 6000)]
  t.equal(await enter('bob', 1), 'full')
  waiting.push(enter('ann', 2000))
  t.equal(await enter('carl', 2000), 'full')
  waiting.push(enter('dora', 100))
  open()
  t.strictSame(await Promise.all(waiting), ['bob', 'ann', 'dora'])
})
