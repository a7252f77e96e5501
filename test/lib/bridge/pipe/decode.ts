import type { Writable } from 'node:stream'
import * as ws from 'ws'
import type { Direction } from '../../../../lib/websocket/message.ts'

/** The frame parser of another implementation of RFC 6455: `ws` exports it, its types do not. */
export const { Receiver } = ws as unknown as {
  Receiver: new (options: { isServer: boolean; maxPayload: number }) => Writable
}

export interface Decoded {
  /** Each with `t` (text) or `b` (binary) in front. */
  readonly messages: string[]
  readonly controls: string[]
  readonly error: string | undefined
}

/** Reads the frames of a stream with the parser of `ws`. */
export async function decode(bytes: Buffer, direction: Direction): Promise<Decoded> {
  const receiver = new Receiver({ isServer: direction === 'inbound', maxPayload: 0 })
  const decoded = { messages: [] as string[], controls: [] as string[], error: undefined as string | undefined }
  receiver.on('message', (data: Buffer, binary: boolean) =>
    decoded.messages.push(`${binary ? 'b' : 't'}${data.toString('latin1')}`),
  )
  for (const name of ['ping', 'pong'] as const)
    receiver.on(name, (data: Buffer) => decoded.controls.push(`${name} ${data}`))
  receiver.on('conclude', (code: number, reason: Buffer) => decoded.controls.push(`close ${code} ${reason}`))
  receiver.on('error', (error: Error) => {
    decoded.error = error.message
  })
  await new Promise<void>(resolve => {
    receiver.on('error', () => resolve())
    receiver.end(bytes, () => resolve())
  })
  return decoded
}
