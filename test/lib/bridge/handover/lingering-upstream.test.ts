import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import t from 'tap'
import { LingeringUpstream, type WriteArbiter } from '../../../../lib/bridge/handover/lingering-upstream.ts'
import { Pipe, type PipeListener } from '../../../../lib/bridge/pipe/pipe.ts'
import { encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'

/** A stream in the place of a socket: what is written to it is taken when the test says so. */
class StandInSocket extends Duplex {
  readonly taken: Buffer[] = []
  #done: (() => void)[] = []

  constructor() {
    super({ highWaterMark: 1000 })
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(chunk)
    this.#done.push(done)
  }

  drainAll(): void {
    for (const done of this.#done.splice(0)) done()
  }
}

const socket = (stream: Duplex) => stream as unknown as Socket
const message = encodeFrame(OPCODE.TEXT, Buffer.alloc(2000, '.'))

/** The old upstream of a client that reads nothing, and nobody else who wants to write to it. */
function start() {
  const [old, client] = [new StandInSocket(), new StandInSocket()]
  const pipe = new Pipe('outbound', socket(old), socket(client), {} as PipeListener, { maxMessageBytes: 1e6 })
  let said = 0
  const floor: WriteArbiter = {
    request: () => retiring.speak(),
    yield: () => said++,
    retired: () => {},
  }
  pipe.listener = { onStopped: () => {} } as Partial<PipeListener> as PipeListener
  pipe.stop()
  const retiring = new LingeringUpstream(pipe, floor, 60_000)
  t.teardown(() => retiring.end())
  retiring.start()
  return { old, client, retiring, said: () => said }
}

t.test('an old upstream whose message has filled the client’s queue is read again when that is empty', async t => {
  const { old, client, retiring, said } = start()
  t.notOk(old.isPaused())
  retiring.receive('upstream', message.subarray(0, 100))
  retiring.receive('upstream', message.subarray(100))
  t.equal(said(), 1, 'the message has ended with what was read')
  t.ok(client.writableNeedDrain)
  t.ok(old.isPaused(), 'there is no room for another one')
  client.drainAll()
  retiring.resume()
  t.notOk(old.isPaused())
  retiring.receive('upstream', message)
  t.equal(said(), 2)
})
