import type { Extras } from '../bridge/bridge.ts'
import type { ResponseHead } from '../websocket/response-head.ts'
import type { Fields } from './handshake.ts'

/** Destination of one handshake or plain request, decided before anything is dialled. */
export interface Plan<C> {
  readonly host: string
  readonly port: number
  /** Lower-case names of request fields that must not reach the upstream as the client sent them. */
  readonly drop: ReadonlySet<string>
  /** Request fields that this hop sets. */
  readonly set: Fields
  /** Response fields that this hop sets, on success and on refusal. */
  readonly answer: Fields
  /** Becomes the context of the connection's bridge. */
  readonly context: C
  readonly extras?: Extras
}

/** The exchange that opened a connection. Another upstream gets the same handshake and must give the same answer. */
export interface Opening {
  /** The handshake as sent to the upstream. */
  readonly handshake: Buffer
  readonly answer: ResponseHead
}
