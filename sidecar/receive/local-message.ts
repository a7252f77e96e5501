import type { RoutedMessage } from '../transport/transport.ts'

/** The fields of a message that local delivery needs. */
export type LocalMessage = Omit<RoutedMessage, 'lane' | 'start'> & {
  /** Time until which a message that has waited here before may wait, on the clock of `performance.now()`. */
  readonly waitsUntil?: number
}
