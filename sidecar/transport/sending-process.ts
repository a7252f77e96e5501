import { randomUUID } from 'node:crypto'
import { MEMBER_HEADER, SENDER_HEADER, TARGET_HEADER } from '../../lib/service/names.ts'
import { serialNumbers } from './serial-numbers.ts'
import type { TransportIdentity } from './transport.ts'

/** A sidecar's identity towards others, and its message ids, which are shared by all transports. */
export class SendingProcess {
  /** Headers of each request and handshake. */
  readonly headers: Readonly<Record<string, string>>
  /** The id of the next message. */
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
