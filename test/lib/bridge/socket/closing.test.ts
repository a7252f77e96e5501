import { once } from 'node:events'
import { mock } from 'node:test'
import t from 'tap'
import { closeUpstream, lingerClose, sendGoingAway } from '../../../../lib/bridge/socket/closing.ts'
import { clog, socketPair } from '../../../helpers/socket-pair.ts'
import { decode } from '../pipe/decode.ts'

t.test('an upstream is told with a masked close frame that its client goes away, and nothing else', async t => {
  const { ours, peer, received } = await socketPair(t)
  sendGoingAway(ours)
  ours.end()
  await once(peer, 'end')
  t.strictSame((await decode(received(), 'inbound')).controls, ['close 1001 '])
})

t.test('nothing is written to an upstream that takes no more', async t => {
  const { ours, peer, received } = await socketPair(t)
  ours.end()
  sendGoingAway(ours)
  await once(peer, 'end')
  t.equal(received().length, 0)
})

t.test('a closing upstream may write until it ends; then both ends are gone', async t => {
  const { ours, peer, gets } = await socketPair(t)
  closeUpstream(ours)
  await gets(8)
  t.notOk(ours.isPaused(), 'its answer is read, so that its end is seen')
  peer.write('an answer')
  await once(ours, 'data')
  t.notOk(ours.destroyed)
  const closed = once(ours, 'close')
  peer.end()
  await closed
})

t.test('an upstream that has ended already is gone once it has all that waits for it', async t => {
  const pair = await socketPair(t)
  const { ours, peer, gets } = pair
  ours.resume()
  peer.end()
  await once(ours, 'end')
  await clog(pair)
  const total = ours.bytesWritten
  lingerClose(ours)
  t.notOk(ours.destroyed, 'it has not got everything')
  peer.resume()
  await Promise.all([once(ours, 'close'), gets(total)])
})

t.test('an upstream that is gone already needs no timer', async t => {
  const { ours } = await socketPair(t)
  ours.destroy()
  await once(ours, 'close')
  const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
  const before = timers()
  lingerClose(ours)
  t.equal(timers(), before)
})

t.test('an upstream that does not end is cut off after five seconds', async t => {
  const { ours } = await socketPair(t)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  lingerClose(ours)
  mock.timers.tick(4999)
  t.notOk(ours.destroyed)
  mock.timers.tick(1)
  t.ok(ours.destroyed)
})
