import type { Socket } from 'node:net'
import type { Direction } from '../websocket/message.ts'
import type { Extras, OptionsOf } from './bridge-options.ts'
import type { LingeringUpstream } from './handover/lingering-upstream.ts'
import { Pipe, type PipeListener } from './pipe/pipe.ts'
import type { Side } from './socket/socket-handler.ts'

export const SIDES = ['client', 'upstream'] as const
export const OTHER = { client: 'upstream', upstream: 'client' } as const
export const FROM = { inbound: 'client', outbound: 'upstream' } as const

/** The bridge options that apply to its pipes. */
export type PipesOptions = Pick<OptionsOf<unknown>, 'maxMessageBytes' | 'find' | 'whole'>

/** The pipes of a bridge, named by the side that they read. */
export class BridgePipes {
  readonly client: Pipe
  /** Replaced when the connection is handed over. */
  upstream: Pipe
  /** The previous upstream, while it may still answer. */
  lingering: LingeringUpstream | undefined
  readonly #options: PipesOptions
  readonly #secret: Extras['secret']
  readonly #listener: PipeListener

  constructor(
    client: Socket,
    upstream: Socket,
    listener: PipeListener,
    options: PipesOptions,
    extras: Extras | undefined,
  ) {
    this.#options = options
    this.#secret = extras?.secret
    this.#listener = listener
    this.client = this.#open('inbound', client, upstream, extras)
    this.upstream = this.#open('outbound', upstream, client)
  }

  #open(direction: Direction, source: Socket, target: Socket, extras?: Extras): Pipe {
    const { maxMessageBytes, find, whole } = this.#options
    return new Pipe(direction, source, target, this.#listener, {
      maxMessageBytes,
      find: find?.[direction],
      secret: this.#secret?.[FROM[direction]],
      whole: whole?.[direction],
      first: extras?.first,
    })
  }

  /** Continues with another upstream. Both streams have stopped between two messages. */
  replaceUpstream(socket: Socket): void {
    this.client.target = socket
    this.upstream = this.#open('outbound', socket, this.client.source)
  }

  /** The pipe that writes to a side now. A lingering upstream may be in the middle of a message to the client. */
  writerTo(side: Side): Pipe {
    const lingering = side === 'client' ? this.lingering : undefined
    return lingering?.writing ? lingering.pipe : this[OTHER[side]]
  }
}
