import t from 'tap'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import { encodeClose, encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import { Receiver } from '../bridge/pipe/decode.ts'

/** Codes that only an endpoint's API reports (RFC 6455 §7.4.1). */
const NEVER_SENT: ReadonlySet<number> = new Set([CLOSE.NO_STATUS, CLOSE.ABNORMAL])

for (const [name, code] of Object.entries(CLOSE)) {
  const isSent = !NEVER_SENT.has(code)
  t.test(`${name} is ${isSent ? 'accepted' : 'refused'} in a close frame by another implementation`, async t => {
    const receiver = new Receiver({ isServer: false, maxPayload: 0 })
    const verdict = new Promise<string | number>(resolve =>
      receiver.on('conclude', resolve).on('error', (error: Error) => resolve(error.message)),
    )
    receiver.write(encodeFrame(OPCODE.CLOSE, encodeClose(code)))
    if (isSent) t.equal(await verdict, code)
    else t.match(await verdict, /invalid status code/i)
  })
}
