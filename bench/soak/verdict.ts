/** What a program was at one moment; sizes in bytes. */
export interface Sample {
  readonly rss: number
  readonly heap: number
  readonly external: number
  readonly files: number
  readonly timers: number
  readonly sockets: number
  /** Its own gauges: client connections, users (a balancer has none), bytes that wait. */
  readonly connections: number
  readonly users: number
  readonly queueBytes: number
}

/** A program through a soak: idle but warm, at even intervals while clients come and go, and after the last of them. */
export interface Course {
  readonly name: string
  readonly before: Sample
  readonly during: readonly Sample[]
  readonly after: Sample
}

/** Connections between sidecars that are kept for the next message, on each side. */
const KEPT_CONNECTIONS = 4

const MIB = 1_048_576

/** How much more memory an idle program may have after than before, in bytes. */
const LASTING = { heap: 2 * MIB, external: MIB }

/** How much more RSS the last quarter may have than the second one; the first warms up. */
const RSS_GROWTH = { share: 0.1, bytes: 8 * MIB }

/** The least value of each quarter: what a leak lifts, and what the noise of single samples does not. At least four values. */
export function quarters(values: readonly number[]): [number, number, number, number] {
  const cut = (n: number) => Math.round((n * values.length) / 4)
  return [0, 1, 2, 3].map(n => Math.min(...values.slice(cut(n), cut(n + 1)))) as [number, number, number, number]
}

/** What is still in use although the clients that it was for have left. */
export function leftovers({ before, after }: Pick<Course, 'before' | 'after'>): string[] {
  const problems: string[] = []
  for (const gauge of ['connections', 'users', 'queueBytes'] as const) {
    if (after[gauge] !== 0) problems.push(`${gauge} is ${after[gauge]} after all clients have left`)
  }
  for (const kind of ['files', 'timers', 'sockets'] as const) {
    if (after[kind] > before[kind] + KEPT_CONNECTIONS)
      problems.push(`${after[kind]} ${kind} after all clients have left, ${before[kind]} before they came`)
  }
  for (const kind of ['heap', 'external'] as const) {
    if (after[kind] > before[kind] + LASTING[kind])
      problems.push(
        `${inMib(after[kind])} MiB of ${kind} after all clients have left, ${inMib(before[kind])} MiB before`,
      )
  }
  return problems
}

/** Whether resident memory still grows. */
export function growth(during: readonly Sample[]): string[] {
  const [, second, , last] = quarters(during.map(({ rss }) => rss))
  if (last <= second * (1 + RSS_GROWTH.share) + RSS_GROWTH.bytes) return []
  return [`RSS grows: ${inMib(second)} MiB in the second quarter, ${inMib(last)} MiB in the last`]
}

export const inMib = (bytes: number): string => (bytes / MIB).toFixed(1)
