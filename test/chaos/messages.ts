import { RECEIPT_TYPE } from '../../lib/service/names.ts'

/** What users and the app write to each other: JSON, in text or binary frames. `pad` makes a message long, and shows damage. */
export type Note = UpNote | EchoNote | PushNote | DirectNote | HandedNote

/** Client to app: message `n` of connection `c`. `late`: the app answers after that many ms. */
export interface UpNote {
  readonly t: 'up'
  readonly c: string
  readonly n: number
  readonly late?: number
  readonly pad: string
}

/** The app's answer to an {@link UpNote}. */
export interface EchoNote {
  readonly t: 'echo'
  readonly c: string
  readonly n: number
  readonly late: boolean
  readonly pad: string
}

/** App to client, unasked: message `n` of the app's connection `link`. */
export interface PushNote {
  readonly t: 'push'
  readonly c: string
  readonly link: string
  readonly n: number
  readonly pad: string
}

/** Addressed: message `n` from the sender's connection `c` to a user. */
export interface DirectNote {
  readonly t: 'direct'
  readonly recipientId: string
  readonly c: string
  readonly n: number
  /** For the receipt. */
  readonly id: number
  readonly pad: string
}

/** What a sidecar tells a sender about message `id` to a user. */
export interface Receipt {
  readonly type: typeof RECEIPT_TYPE
  readonly recipientId: string
  readonly id: number
  readonly outcome: string
}

/** An addressed message that went through the recipient's app, which passes it on to its own client. */
export interface HandedNote {
  readonly t: 'handed'
  readonly to: string
  readonly c: string
  readonly n: number
  readonly pad: string
}

/** `length` characters that belong to message `n`. */
export const padding = (n: number, length: number): string => String.fromCharCode(97 + (n % 26)).repeat(length)

/** The note in a message; `undefined` for anything else, or where a byte of it was changed. */
export function readNote(data: Buffer): Note | undefined {
  try {
    const note = JSON.parse(data.toString()) as Note
    return note.pad === padding(note.n, note.pad.length) ? note : undefined
  } catch {
    return undefined
  }
}

export function readReceipt(data: Buffer): Receipt | undefined {
  if (!data.includes(RECEIPT_TYPE)) return undefined
  const receipt = JSON.parse(data.toString()) as Receipt
  return receipt.type === RECEIPT_TYPE ? receipt : undefined
}

/** Milliseconds on the one clock that all processes of a machine share. */
export const now = (): number => Number(process.hrtime.bigint() / 1000n) / 1000
