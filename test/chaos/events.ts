/**
 * What happened, as the ends saw it. Times are milliseconds of {@link now}. `c` is a client's connection, "user/device.generation";
 * `link` is a connection as the app has it, "pod/start#number".
 */
export type Event = ClientEvent | AppEvent

export type ClientEvent =
  | { readonly e: 'open'; readonly at: number; readonly c: string; readonly balancer: string; readonly member: string }
  /** `expected`: the run's own end of it. */
  | { readonly e: 'closed'; readonly at: number; readonly c: string; readonly code: number; readonly expected: boolean }
  /** `begun` is when its first fragment was written, `at` its last one. */
  | { readonly e: 'up'; readonly at: number; readonly begun: number; readonly c: string; readonly n: number }
  | { readonly e: 'echo'; readonly at: number; readonly c: string; readonly n: number; readonly late: boolean }
  | { readonly e: 'push'; readonly at: number; readonly c: string; readonly link: string; readonly n: number }
  | {
      readonly e: 'direct'
      readonly at: number
      readonly begun: number
      readonly c: string
      readonly to: string
      readonly n: number
    }
  /** An addressed message of connection `from` reached connection `c`. */
  | { readonly e: 'arrived'; readonly at: number; readonly c: string; readonly from: string; readonly n: number }
  /** The connection `c` was told what became of its message to a user. */
  | {
      readonly e: 'receipt'
      readonly at: number
      readonly c: string
      readonly to: string
      readonly n: number
      readonly outcome: string
    }
  /** Something came that is for somebody else, or that nobody has sent. */
  | { readonly e: 'stray'; readonly at: number; readonly c: string; readonly what: string; readonly damaged: boolean }

export type AppEvent =
  | {
      readonly e: 'app-open'
      readonly at: number
      readonly link: string
      readonly c: string
      /** It stands for a client of another pod. */
      readonly shadow?: true
    }
  | {
      readonly e: 'app-close'
      readonly at: number
      readonly link: string
      readonly c: string
      readonly code: number
    }
  | { readonly e: 'app-up'; readonly at: number; readonly link: string; readonly c: string; readonly n: number }
  | { readonly e: 'app-push'; readonly at: number; readonly link: string; readonly c: string; readonly n: number }
  /** An addressed message of connection `from` was put into connection `c`, or, as its sender's, was for the user and app `c`. */
  | {
      readonly e: 'app-direct'
      readonly at: number
      readonly link: string
      readonly c: string
      readonly from: string
      readonly n: number
    }
  | {
      readonly e: 'app-stray'
      readonly at: number
      readonly link: string
      readonly c: string
      readonly what: string
      readonly damaged: boolean
    }

/** What was done to a pod that may lose messages. */
export interface Incident {
  /**
   * `kill`: SIGKILL of app and sidecar; `kill-app`: of the app alone; `exit`: the app had its SIGTERM before its users were handed over;
   * `cut`: connections of clients between balancer and sidecar were cut.
   */
  readonly kind: 'kill' | 'kill-app' | 'exit' | 'cut'
  readonly pod: string
  readonly from: number
  readonly to: number
}

/** The true list of members from a time on: their names, and the pods behind them. */
export interface Truth {
  readonly at: number
  readonly members: ReadonlyMap<string, string>
}

export const userOf = (connection: string): string => connection.slice(0, connection.indexOf('/'))
export const podOf = (link: string): string => link.slice(0, link.indexOf('/'))
