import type { Bridge } from '../../lib/bridge/bridge.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import { RECEIPT_TYPE } from '../../lib/service/names.ts'
import type { Message } from '../../lib/websocket/message.ts'
import type { Outcome } from '../transport/outcome.ts'

/** Tells clients the outcomes of their messages, by a text message on the connection that they wrote on. */
export class Receipts {
  readonly #field: string
  readonly #dropped

  /** @param field name of the recipient field, as in the messages themselves */
  constructor(field: string, metrics: Metrics) {
    this.#field = field
    this.#dropped = metrics.counter(
      'receipts_dropped_total',
      'Receipts that could not be written, because the client does not read or has disconnected.',
    )
  }

  send(client: Pick<Bridge, 'send'>, recipient: string, message: Pick<Message, 'id'>, outcome: Outcome): void {
    this.#write(client, {
      type: RECEIPT_TYPE,
      [this.#field]: recipient,
      outcome,
      ...(message.id !== undefined && { id: message.id }),
    })
  }

  /** Reports that a message was not examined: its recipient, if any, is unknown. */
  sendUnparsed(client: Pick<Bridge, 'send'>): void {
    this.#write(client, { type: RECEIPT_TYPE, outcome: 'too_large' satisfies Outcome })
  }

  #write(client: Pick<Bridge, 'send'>, receipt: object): void {
    client.send('client', { data: Buffer.from(JSON.stringify(receipt)), binary: false }).then(
      result => result !== 'sent' && this.#dropped.inc(),
      () => this.#dropped.inc(),
    )
  }
}
