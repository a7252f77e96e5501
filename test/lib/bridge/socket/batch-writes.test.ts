import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import t from 'tap'
import { corkUntilNextTick } from '../../../../lib/bridge/socket/batch-writes.ts'

/** A target that tells of each write to the kernel what it was. */
function target(): { socket: Socket; writes: string[] } {
  const writes: string[] = []
  const socket = new Writable({
    write(chunk, _encoding, done) {
      writes.push(String(chunk))
      done()
    },
    writev(chunks, done) {
      writes.push(chunks.map(({ chunk }) => String(chunk)).join('+'))
      done()
    },
  }) as unknown as Socket
  return { socket, writes }
}

const tick = () => new Promise(resolve => process.nextTick(resolve))

t.test('what is written in one tick goes out as one, in its order, each target for itself', async t => {
  const [one, two] = [target(), target()]
  corkUntilNextTick(one.socket, () => one.socket.write('a'))
  corkUntilNextTick(two.socket, () => two.socket.write('x'))
  corkUntilNextTick(one.socket, () => one.socket.write('b'))
  one.socket.write('c')
  t.same(one.writes, [], 'nothing yet')
  await tick()
  t.same(one.writes, ['a+b+c'])
  t.same(two.writes, ['x'])
  one.socket.write('d')
  t.same(one.writes.at(-1), 'd', 'nothing is kept back any more')
  corkUntilNextTick(one.socket, () => one.socket.write('e'))
  await tick()
  t.same(one.writes.at(-1), 'e', 'and it works again')
})

t.test('much is not kept back', async t => {
  const { socket, writes } = target()
  const big = 'x'.repeat(40_000)
  corkUntilNextTick(socket, () => socket.write(big))
  t.equal(writes.length, 0)
  corkUntilNextTick(socket, () => socket.write(big))
  t.equal(writes.length, 1, 'both, at once')
  t.equal(socket.writableLength, 0)
  corkUntilNextTick(socket, () => socket.write('y'))
  await tick()
  t.equal(writes.at(-1), 'y')
})

t.test('an end does not wait', async t => {
  const { socket, writes } = target()
  corkUntilNextTick(socket, () => socket.write('last'))
  socket.end()
  t.same(writes, ['last'])
  await tick()
  t.ok(socket.writableFinished)
})

t.test('a target that is destroyed meanwhile hurts nobody', async t => {
  const { socket, writes } = target()
  let told: Error | null | undefined
  corkUntilNextTick(socket, () => socket.write('never', error => (told = error)))
  socket.on('error', () => {}).destroy()
  await tick()
  await new Promise(resolve => setImmediate(resolve))
  t.same(writes, [])
  t.ok(told, 'the writer learns of it')
})
