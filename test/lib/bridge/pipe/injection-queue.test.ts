import t from 'tap'
import { InjectionQueue } from '../../../../lib/bridge/pipe/injection-queue.ts'
import { socketPair } from '../../../helpers/socket-pair.ts'

const text = (bytes: Buffer) => bytes.toString('latin1')

t.test('between two frames control frames go out, and messages wait on, in their order', async t => {
  const { ours, gets } = await socketPair(t)
  const queue = new InjectionQueue()
  t.notOk(queue.any)
  const written = [
    queue.wait(Buffer.from('message 1, '), 'messages'),
    queue.wait(Buffer.from('ping, '), 'frames'),
    queue.wait(Buffer.from('message 2.'), 'messages'),
  ]
  t.strictSame([queue.any, queue.bytes], [true, 27])
  queue.write(ours, false)
  t.equal(text(await gets(6)), 'ping, ')
  t.strictSame([queue.any, queue.bytes], [true, 21])
  queue.write(ours, true)
  t.equal(text(await gets(27)), 'ping, message 1, message 2.')
  t.strictSame(await Promise.all(written), [true, true, true])
  t.strictSame([queue.any, queue.bytes], [false, 0])
})

t.test('frames that are given up are not written, and their senders learn it', async t => {
  const { ours, received, peer } = await socketPair(t)
  const queue = new InjectionQueue()
  const written = [queue.wait(Buffer.from('message'), 'messages'), queue.wait(Buffer.from('ping'), 'frames')]
  queue.dismiss()
  t.strictSame(await Promise.all(written), [false, false])
  t.strictSame([queue.any, queue.bytes], [false, 0])
  queue.write(ours, true)
  ours.end()
  await new Promise(resolve => peer.once('end', resolve))
  t.equal(received().length, 0)
})

t.test('the sender of a frame that the socket can no longer write learns it', async t => {
  const { ours } = await socketPair(t)
  const queue = new InjectionQueue()
  const written = queue.wait(Buffer.from('message'), 'messages')
  ours.on('error', () => {}).destroy()
  queue.write(ours, true)
  t.equal(await written, false)
})
