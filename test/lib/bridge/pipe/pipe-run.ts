import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import { Pipe } from '../../../../lib/bridge/pipe/pipe.ts'
import { type ControlPing, decodeControlPing } from '../../../../lib/rehome/control-pings.ts'
import { AddressFinder } from '../../../../lib/websocket/addressing/address-finder.ts'
import { SharedByteAllowance } from '../../../../lib/websocket/byte-allowance.ts'
import type { FirstMessage } from '../../../../lib/websocket/first-message.ts'
import { encodeClose } from '../../../../lib/websocket/frames.ts'
import type { Direction } from '../../../../lib/websocket/message.ts'

export const finderIn = (room: SharedByteAllowance, maxBytes = 1_048_576) =>
  new AddressFinder({ field: 'recipientId', withId: false, maxBytes, room })

/** What a pipe is given and what came out, read by another implementation of RFC 6455. */
export interface Run {
  readonly pipe: Pipe
  readonly out: () => Buffer
  /** What the target was given in one piece each. */
  readonly chunks: readonly Buffer[]
  readonly taken: string[]
  readonly closes: string[]
  readonly controls: (ControlPing | undefined)[]
  readonly pongs: string[]
  /** Why messages were not looked at, or not held. */
  readonly unparsed: string[]
  tooBig: number
  stops: number
}

export interface Given {
  readonly find?: boolean
  readonly limit?: number
  readonly secret?: Buffer
  readonly first?: FirstMessage
  readonly keepClose?: boolean
  /** Whoever takes a message writes another one to where it would have gone. */
  readonly replace?: boolean
  /** Which recipients' messages are taken out; all, unless said otherwise. */
  readonly takes?: (recipient: string) => boolean
  readonly room?: SharedByteAllowance
  readonly maxAddressed?: number
  /** Bytes up to which a message passes only whole; its memory is of `room`. */
  readonly whole?: number
  /** Whether the pipe is paused with each message that is taken. */
  readonly pauses?: boolean
}

/** Takes chunks as sockets lend them: each is something else as soon as it has been pushed. */
class LentPipe extends Pipe {
  #going = false

  override push(chunk: Buffer): boolean {
    if (this.#going) return super.push(chunk)
    const lent = Buffer.from(chunk)
    const room = super.push(lent)
    lent.fill('~')
    return room
  }

  override resume(): void {
    this.#going = true
    super.resume()
    this.#going = false
  }

  override go(): boolean {
    this.#going = true
    const room = super.go()
    this.#going = false
    return room
  }
}

export function run(direction: Direction, given: Given = {}): Run {
  const {
    find = false,
    limit = 1_000_000,
    secret,
    first,
    keepClose = false,
    replace = false,
    takes = () => true,
  } = given
  const { room = new SharedByteAllowance(48 << 20), maxAddressed, whole } = given
  const chunks: Buffer[] = []
  const target = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(Buffer.from(chunk))
      done()
    },
  }) as unknown as Socket
  const result = {
    chunks,
    taken: [] as string[],
    closes: [] as string[],
    controls: [] as (ControlPing | undefined)[],
    pongs: [] as string[],
    unparsed: [] as string[],
    tooBig: 0,
    stops: 0,
    out: () => {
      // What is gathered goes out at the end of the tick.
      target.uncork()
      return Buffer.concat(chunks)
    },
  }
  const pipe = new LentPipe(
    direction,
    undefined as unknown as Socket,
    target,
    {
      onCloseFrame: (_pipe, payload) => {
        result.closes.push(payload.toString('hex'))
        return !keepClose
      },
      onTooBig: () => void run.tooBig++,
      takes: (_pipe, recipient) => takes(recipient),
      onAddressed(pipe, _recipient, { data }) {
        if (given.pauses) pipe.pause()
        if (replace) void pipe.inject({ data: Buffer.from(`instead ${result.taken.length}`), binary: false })
        result.taken.push(data.toString())
      },
      onUnparsed: (_pipe, why) => void run.unparsed.push(why),
      onNoRoom(pipe) {
        run.unparsed.push('no_room')
        pipe.close(encodeClose(1013))
      },
      onControl: (_pipe, payload) => void result.controls.push(decodeControlPing(payload)),
      onPong: (_pipe, payload) => void result.pongs.push(payload.toString()),
      onStopped: () => void run.stops++,
    },
    {
      maxMessageBytes: limit,
      find: find ? finderIn(room, maxAddressed) : undefined,
      whole: whole === undefined ? undefined : { maxBytes: whole, room },
      secret,
      first,
    },
  )
  const run: Run = Object.assign(result, { pipe })
  return run
}
