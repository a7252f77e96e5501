import { createHash } from 'node:crypto'

/** Something that we apply to pods of somebody who did not ask for a restart. */
export interface Pinnable {
  /** The revision that was written last, if one was. */
  readonly recorded: string | undefined
  /** What this version of ws-operator, as it is configured, would apply. */
  readonly today: unknown
  /** What was applied, as it is in the cluster now; `undefined` where nothing there is on record as ours. */
  readonly applied: unknown
  /** All that users decide: where it changes, the pods roll anyway, or are meant to. */
  readonly inputs: unknown
  /** Whether today's is to be applied in any case. */
  readonly upgrade: boolean
  /** This version of ws-operator. */
  readonly version: string
}

export interface Pin {
  /** Whether what is there stays, although today's would be something else. */
  readonly kept: boolean
  /** What to write down. */
  readonly revision: string
}

/** The version in a revision of what was there before revisions were written. */
const UNKNOWN = 'unknown'

/**
 * Decides whether what is there stays or today's is applied, and what to write down about it. Nothing is remembered but the
 * revision: `<version>-<rendered>-<seen>`, hashes of what was applied, and of that together with all that users decide.
 *
 * - What would be applied is what was applied last: it is applied again, which repairs what somebody changed. The version stays that
 *   by which it came, until somebody has changed something or an upgrade is asked for.
 * - It is something else, and nobody has changed anything: only ws-operator has, so what is there stays.
 * - Somebody has changed something: today's is applied, with their rollout.
 */
export function pin({ recorded, today, applied, inputs, upgrade, version }: Pinnable): Pin {
  const rendered = hash(today)
  const take = (seen: unknown, of = version): Pin => ({
    kept: false,
    revision: format(of, rendered, hash([inputs, seen])),
  })
  if (applied === undefined) return take(today)
  const last = parse(recorded)
  // What was seen counts, not what was sent: an admission policy may have changed it on its way.
  const unchanged = last?.seen === hash([inputs, applied])
  // The balancer goes by the version: where a user has chosen the image of the sidecar, nothing else tells that it may follow.
  if (last?.rendered === rendered) return take(applied, unchanged && !upgrade ? last.version : version)
  if (upgrade) return take(today)
  if (!last) {
    const there = hash(applied)
    if (there === rendered) return take(applied)
    return { kept: true, revision: format(UNKNOWN, there, hash([inputs, applied])) }
  }
  if (unchanged) return { kept: true, revision: recorded as string }
  return take(today)
}

/** The part of a revision that says what was applied: it changes only when something else is. */
export const renderedPart = (revision: string): string => revision.slice(0, revision.lastIndexOf('-'))

const format = (version: string, rendered: string, seen: string): string => `${version}-${rendered}-${seen}`

/** @returns `undefined` for what is no revision, also one that another scheme of hashes wrote: it counts as not written */
function parse(revision = ''): { version: string; rendered: string; seen: string } | undefined {
  const [, version, rendered, seen] = /^(.{1,64})-([0-9a-f]{10})-([0-9a-f]{10})$/.exec(revision) ?? []
  return version && rendered && seen ? { version, rendered, seen } : undefined
}

/** Changing what this returns rolls every Deployment that a newer ws-operator has left alone: there is a test with fixed values. */
export const hash = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(canonical(value, 0)) ?? '')
    .digest('hex')
    .slice(0, 10)

/** Nothing in a pod template is nested that deep; what is, counts as all the same. */
const MAX_DEPTH = 64

/**
 * A value in one form: keys in order, no nulls, and the environment by name, because server-side apply keeps the order of what is
 * there and puts new variables at the end.
 */
function canonical(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth > MAX_DEPTH) return null
  if (Array.isArray(value)) return value.map(item => canonical(item, depth + 1))
  const entries = Object.entries(value)
    .filter(([, child]) => child !== null && child !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return entries.map(([key, child]) => {
    const one = canonical(child, depth + 1)
    return [key, key === 'env' && Array.isArray(one) ? one.map(item => JSON.stringify(item)).sort() : one]
  })
}
