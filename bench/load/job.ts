/** A client: the user it says it is, and the port that it connects to. */
export interface Client {
  readonly user: string
  readonly port: number
  /** Index of the client that gets what this one sends; absent: this one itself. */
  readonly to?: number
}

interface Common {
  readonly clients: readonly Client[]
  /** Of a message's payload. */
  readonly bytes: number
  /** Processes that are measured, each with its descendants. */
  readonly pids: readonly number[]
  readonly warmupMs: number
  readonly measureMs: number
}

/** What the load generator is told to do: JSON on its standard input. */
export type Job =
  /** Each client sends the next message when one of `inFlight` has come back. */
  | (Common & { readonly kind: 'closed'; readonly inFlight: number })
  /** Messages are sent at times of their own, whatever comes back. */
  | (Common & { readonly kind: 'open'; readonly perSecond: number })
  /** Connect, upgrade, one echo, close, again and again: `clients` of them at the same time. */
  | (Common & { readonly kind: 'handshakes' })
  /** Connections that do nothing; `warm` of them were opened and closed before. */
  | (Common & { readonly kind: 'idle'; readonly warm: number })

/** What went wrong with messages; all 0 is the only good result. */
export interface Errors {
  /** Never arrived. */
  lost: number
  /** Arrived again. */
  doubled: number
  /** Arrived after one that was sent later. */
  reordered: number
  /** Arrived with another content. */
  corrupt: number
  /** Connections that ended, or were refused, against the client's will. */
  cut: number
}

export const noErrors = (): Errors => ({ lost: 0, doubled: 0, reordered: 0, corrupt: 0, cut: 0 })

/** What the load generator answers: one line of JSON. */
export interface Report {
  /** By the names that the case gives them. */
  readonly figures: Readonly<Record<string, number>>
  readonly errors: Errors
}
