import t from 'tap'
import { dial } from '../../../../lib/bridge/socket/dial.ts'
import { startTcp } from '../../../helpers/plain.ts'

const LIMITS = { handshakeTimeoutMs: 60_000, maxQueueBytes: 65_536, maxHeadBytes: 16_384 }
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

for (const [what, answer, reason] of [
  ['a head without an end', `${HINT}HTTP/1.1 101 ${'x'.repeat(20_000)}`, /more than 16384 bytes of head/],
  ['a head that is too long', `HTTP/1.1 101 S\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, /more than 16384 bytes of head/],
  ['hints without an end', HINT.repeat(100), /more than 16 answers of 1xx/],
  ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n', /not HTTP/],
] as const) {
  t.test(`${what} is given up, and the reason is said without an address`, async t => {
    const upstream = await startTcp(t, socket => socket.write(answer))
    const error = await dial('127.0.0.1', upstream.port, HANDSHAKE, LIMITS).answered.catch(error => error)
    t.match(error, { code: 'WSO_ERR_UPSTREAM_FAILED', message: reason, upstream: `127.0.0.1:${upstream.port}` })
    t.notMatch(error.message, '127.0.0.1')
  })
}
