import { once } from 'node:events'
import t from 'tap'
import { attach, type Side, type SocketHandler, socketMark } from '../../../../lib/bridge/socket/socket-handler.ts'
import { clog, socketPair } from '../../../helpers/socket-pair.ts'
import { waitFor } from '../../../helpers/wait.ts'

/** An owner that notes what it is told. */
function owner() {
  const told: string[] = []
  const handler: SocketHandler = {
    receive: (side: Side, chunk) => void told.push(`${side} sent ${chunk}`),
    drained: side => void told.push(`${side} drained`),
    ended: side => void told.push(`${side} ended`),
    gone: side => void told.push(`${side} gone`),
  }
  return { told, handler }
}

t.test('a socket that is attached stays paused until its owner reads it', async t => {
  const { ours, peer } = await socketPair(t)
  const { told, handler } = owner()
  attach(ours, handler, 'client')
  peer.write('hello')
  for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
  t.strictSame([told, ours.isPaused()], [[], true])
  ours.resume()
  await waitFor(() => told.length > 0, 'it is read')
  t.strictSame(told, ['client sent hello'])
})

t.test('the owner is told when the queue has drained, when the peer ends, and when the socket is gone', async t => {
  const pair = await socketPair(t)
  const { ours, peer } = pair
  const { told, handler } = owner()
  attach(ours, handler, 'upstream')
  ours.resume()
  await clog(pair)
  t.strictSame(told, [])
  peer.resume()
  await waitFor(() => told.length === 1, 'it has drained')
  peer.end()
  await waitFor(() => told.length === 2, 'it has ended')
  ours.destroy()
  await waitFor(() => told.length === 3, 'it is gone')
  t.strictSame(told, ['upstream drained', 'upstream ended', 'upstream gone'])
})

t.test('a reset is no error of ours: the owner only learns that the socket is gone', async t => {
  const { ours, peer } = await socketPair(t)
  const { told, handler } = owner()
  attach(ours, handler, 'client')
  ours.resume()
  peer.resetAndDestroy()
  await waitFor(() => told.includes('client gone'), 'it is gone')
  t.strictSame(told, ['client gone'])
})

t.test('a new owner replaces the one before, under its own side, and no event comes twice', async t => {
  const { ours, peer } = await socketPair(t)
  const [first, second] = [owner(), owner()]
  attach(ours, first.handler, 'client')
  attach(ours, second.handler, 'upstream')
  ours.resume()
  peer.end('hello')
  await once(ours, 'end')
  ours.destroy()
  await waitFor(() => second.told.includes('upstream gone'), 'it is gone')
  t.strictSame(first.told, [])
  t.strictSame(second.told, ['upstream sent hello', 'upstream ended', 'upstream gone'])
})

t.test('attaching a socket again adds no listener, and leaves it as it flows', async t => {
  const { ours } = await socketPair(t)
  attach(ours, owner().handler, 'client')
  ours.resume()
  const before = ours.eventNames().map(event => ours.listenerCount(event))
  attach(ours, owner().handler, 'client')
  t.strictSame(
    ours.eventNames().map(event => ours.listenerCount(event)),
    before,
  )
  t.notOk(ours.isPaused())
})

t.test('sockets share their listeners', async t => {
  const [one, other] = [await socketPair(t), await socketPair(t)]
  attach(one.ours, owner().handler, 'client')
  attach(other.ours, owner().handler, 'upstream')
  for (const event of ['data', 'drain', 'end', 'close', 'error'])
    t.equal(one.ours.listeners(event).at(-1), other.ours.listeners(event).at(-1), event)
})

t.test('a high-water mark is never above the limit of the queue, nor above 16 KiB', async t => {
  t.strictSame([1024, 16_384, 16_385, 1 << 20].map(socketMark), [1024, 16_384, 16_384, 16_384])
})
