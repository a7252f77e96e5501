import t from 'tap'
import { dial } from '../../../lib/wire/dial.ts'
import { startTcp } from '../../helpers/plain.ts'

const LIMITS = { handshakeTimeoutMs: 60_000, maxQueueBytes: 65_536 }
const HANDSHAKE = Buffer.from('GET / HTTP/1.1\r\n\r\n')
const HINT = 'HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n'
const ACCEPTED = 'HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n'

for (const [what, chunks] of [
  ['at once', [`${HINT}HTTP/1.1 100 Continue\r\n\r\n${ACCEPTED}frames`]],
  ['in pieces', [HINT.slice(0, -1), `\n${ACCEPTED.slice(0, 9)}`, `${ACCEPTED.slice(9)}frames`]],
] as const) {
  t.test(`what comes before the answer, ${what}, is not the answer`, async t => {
    const upstream = await startTcp(t, async socket => {
      for (const chunk of chunks) await new Promise(resolve => socket.write(chunk, resolve))
    })
    const { socket, head, rest } = await dial('127.0.0.1', upstream.port, HANDSHAKE, LIMITS).answered
    t.teardown(() => socket.destroy())
    t.equal(head.status, 101)
    t.equal(rest.toString(), 'frames')
  })
}

t.test('a head without an end is given up', async t => {
  const upstream = await startTcp(t, socket => socket.write(`${HINT}HTTP/1.1 101 ${'x'.repeat(20_000)}`))
  await t.rejects(dial('127.0.0.1', upstream.port, HANDSHAKE, LIMITS).answered, { code: 'WSO_ERR_UPSTREAM_FAILED' })
})
