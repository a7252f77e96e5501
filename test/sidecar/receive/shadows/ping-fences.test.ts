import t from 'tap'
import { PingFences } from '../../../../sidecar/receive/shadows/ping-fences.ts'

const [first, second, third] = ['1', '2', '3'].map(text => Buffer.from(text)) as [Buffer, Buffer, Buffer]

t.test('a pong answers its ping and those before it', async t => {
  const fences = new PingFences()
  const waits = [first, second, third].map(payload => fences.wait(payload, 60_000))
  t.notOk(fences.answer(Buffer.from('other')))
  t.ok(fences.answer(second))
  t.equal(fences.size, 1)
  t.notOk(fences.answer(first), 'it was answered before')
  t.ok(fences.answer(third))
  t.strictSame(await Promise.all(waits), [true, true, true])
})

t.test('of pings that are never answered nothing stays', async t => {
  const fences = new PingFences()
  const waits = Array.from({ length: 100 }, () => fences.wait(first, 1))
  t.equal(fences.size, 100)
  t.ok((await Promise.all(waits)).every(answered => !answered))
  t.equal(fences.size, 0)
})

t.test('cancelled ones have no answer', async t => {
  const fences = new PingFences()
  const wait = fences.wait(first, 60_000)
  fences.cancel()
  t.equal(await wait, false)
  t.equal(fences.size, 0)
})
