import type { DeliveryOptions } from '../../sidecar/receive/delivery.ts'

/** For deliveries whose messages are not delivered as their senders'. */
export const noSenders: Pick<DeliveryOptions, 'senders' | 'leaving' | 'reply'> = {
  senders: { deliver: () => 'rejected', closeOf: () => undefined },
  leaving: () => undefined,
  reply: () => 'offline',
}
