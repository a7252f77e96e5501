import { EventEmitter } from 'node:events'
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { watchBody } from '../../../../lib/proxy/plain/slow-body.ts'
import { waitFor } from '../../../helpers/wait.ts'

const PACE = { windowMs: 5, minBytesPerSecond: 1000 }

function request(headers: Record<string, string>, isPaused = false) {
  const socket = { bytesRead: 0, destroyed: false }
  const emitter = Object.assign(new EventEmitter(), { headers, socket, isPaused: () => isPaused })
  return { socket, emitter, message: emitter as unknown as IncomingMessage }
}

const timers = () => process.getActiveResourcesInfo().filter(type => type === 'Timeout').length

t.test('a body that does not come is told of once, and no longer looked at', async t => {
  const before = timers()
  let told = 0
  watchBody(request({ 'content-length': '10' }).message, PACE, () => told++)
  await waitFor(() => told === 1, 'it is told of')
  t.equal(timers(), before)
})

t.test('a request without a body, and any pace, need no look', async t => {
  const before = timers()
  watchBody(request({}).message, PACE, () => t.fail('told of'))
  watchBody(request({ 'content-length': '0' }).message, PACE, () => t.fail('told of'))
  watchBody(request({ 'content-length': '9' }).message, { ...PACE, minBytesPerSecond: 0 }, () => t.fail('told of'))
  t.equal(timers(), before)
})

t.test(
  'nothing looks at a body whose end has come, or whose socket has gone without a word of the request',
  async t => {
    const before = timers()
    for (const event of ['end', 'close']) {
      const { emitter, message } = request({ 'transfer-encoding': 'chunked' })
      watchBody(message, PACE, () => t.fail('told of'))
      emitter.emit(event)
    }
    t.equal(timers(), before)
    const { socket, message } = request({ 'content-length': '10' }, true)
    watchBody(message, PACE, () => t.fail('told of'))
    t.equal(timers(), before + 1)
    socket.destroyed = true
    await waitFor(() => timers() === before, 'its timer ends')
  },
)
