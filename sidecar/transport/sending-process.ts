import { randomUUID } from 'node:crypto'
import { MEMBER_HEADER, SENDER_HEADER, TARGET_HEADER } from '../../lib/service/names.ts'
import { serialNumbers } from './serial-numbers.ts'
import type { TransportIdentity } from './transport.ts'

/** What a sidecar says of itself to others, and the numbers of its messages, which are the same on every way. */
export class SendingProcess {
  /** For each request and handshake. */
  readonly headers: Readonly<Record<string, string>>
  /** The number of the next message that is sent. */
  readonly nextId = serialNumbers()

  constructor({ self, token, target }: TransportIdentity) {
    this.headers = {
      [SENDER_HEADER]: randomUUID(),
      [MEMBER_HEADER]: self,
      ...(target && { [TARGET_HEADER]: target }),
      ...(token && { authorization: `Bearer ${token}` }),
    }
  }
}
