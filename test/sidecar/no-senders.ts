import type { DeliveryOptions } from '../../sidecar/deliver.ts'

/** For deliveries whose messages are not delivered as their senders'. */
export const noSenders: Pick<DeliveryOptions, 'senders' | 'reply'> = {
  senders: { deliver: () => 'rejected', closeOf: () => undefined },
  reply: () => 'offline',
}
