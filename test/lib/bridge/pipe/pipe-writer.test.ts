import { once } from 'node:events'
import t from 'tap'
import { PipeWriter } from '../../../../lib/bridge/pipe/pipe-writer.ts'
import { clog, socketPair } from '../../../helpers/socket-pair.ts'
import type { Scope } from '../../../helpers/stack.ts'

async function start(t: Scope) {
  const pair = await socketPair(t)
  return { ...pair, writer: new PipeWriter(pair.ours) }
}

t.test('bytes are written in their order, in whole chunks and in parts; an empty part is no write', async t => {
  const { writer, gets } = await start(t)
  writer.write(Buffer.from('one '))
  writer.writePart(Buffer.from('.two .'), 1, 5)
  writer.writePart(Buffer.from('nothing'), 3, 3)
  writer.writePart(Buffer.from('three'), 0, 5)
  t.equal(String(await gets(13)), 'one two three')
})

t.test('lent bytes that wait are copied, and the bytes of our own are not', async t => {
  const pair = await start(t)
  await clog(pair)
  const { writer, peer, gets, ours } = pair
  const lent = Buffer.from('lent, ')
  const own = Buffer.from('our own')
  writer.write(lent)
  lent.fill('~')
  writer.lent = false
  writer.write(own)
  t.equal(writer.own(own), own)
  writer.lent = true
  t.not(writer.own(own), own)
  t.strictSame(writer.own(own), own)
  const total = ours.bytesWritten
  peer.resume()
  t.equal(String((await gets(total)).subarray(-13)), 'lent, our own')
})

t.test(
  'queued bytes count with the overhead of each waiting write, and nothing counts once all is written',
  async t => {
    const pair = await start(t)
    const { writer, ours, peer } = pair
    writer.write(Buffer.from('passes at once'))
    await clog(pair)
    const before = writer.queuedBytes
    t.equal(before, ours.writableLength, 'a write that the kernel took waits no longer')
    writer.writePart(Buffer.from('nothing'), 3, 3)
    for (let n = 0; n < 10; n++) writer.write(Buffer.of(n))
    t.equal(writer.queuedBytes - before, 10 * (1 + 256))
    const drained = once(ours, 'drain')
    peer.resume()
    await drained
    t.equal(writer.queuedBytes, 0)
    await clog(pair)
    t.equal(writer.queuedBytes, ours.writableLength, 'earlier writes are forgotten')
  },
)

t.test('it calls back when the kernel has all that waits now', async t => {
  const pair = await start(t)
  await clog(pair)
  const { writer, ours, peer } = pair
  let isWritten = false
  const written = new Promise<void>(resolve => writer.whenWritten(resolve)).then(() => {
    isWritten = true
  })
  await new Promise(resolve => setImmediate(resolve))
  t.notOk(isWritten)
  peer.resume()
  await written
  t.equal(ours.writableLength, 0)
})

t.test('it also calls back when what waits can no longer be written', async t => {
  const pair = await start(t)
  await clog(pair)
  const written = new Promise<void>(resolve => pair.writer.whenWritten(resolve))
  pair.ours.on('error', () => {}).destroy()
  await written
  t.ok(pair.ours.destroyed)
})

t.test('nothing is written to a stream that has ended, nor to a socket that cannot be written', async t => {
  const { writer, ours, peer, received } = await start(t)
  writer.ended = true
  writer.write(Buffer.from('late'))
  writer.ended = false
  ours.end()
  writer.write(Buffer.from('later'))
  await once(peer, 'end')
  t.equal(received().length, 0)
  t.equal(writer.queuedBytes, 0)
})

t.test('bytes go to the target of the moment', async t => {
  const [first, second] = [await start(t), await start(t)]
  first.writer.write(Buffer.from('first'))
  first.writer.target = second.ours
  first.writer.write(Buffer.from('second'))
  t.equal(String(await second.gets(6)), 'second')
  t.equal(String(await first.gets(5)), 'first')
})
