import type { RoutedMessage } from '../transport/transport.ts'

/** What has to be known of a letter to deliver it here. */
export type LocalMessage = Omit<RoutedMessage, 'lane' | 'start'> & {
  /** Until when it may wait here, where it has waited before; on the clock of `performance.now()`. */
  readonly waitsUntil?: number
}
