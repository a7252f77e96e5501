import { createHash } from 'node:crypto'

/** Something that we apply to pods and whose change would restart them. */
export interface Pinnable {
  /** The revision that was written last, if one was. */
  readonly recorded: string | undefined
  /** What this version of ws-operator, as it is configured, would apply. */
  readonly today: unknown
  /** The applied fields with their present values; `undefined` where none is recorded as ours. */
  readonly applied: unknown
  /** Everything that users decide: a change of it rolls the pods anyway, or is meant to. */
  readonly inputs: unknown
  /** Whether today's version is applied in any case. */
  readonly upgrade: boolean
  /** This version of ws-operator. */
  readonly version: string
}

export interface Pin {
  /** Whether the applied version stays although today's differs. */
  readonly kept: boolean
  /** The revision to record. */
  readonly revision: string
}

/** Version in the revision of an object that is older than revisions. */
const UNKNOWN = 'unknown'

/**
 * Decides whether the applied version stays or today's replaces it. The only memory is the recorded revision
 * `<version>-<rendered>-<seen>`: a hash of the applied version, and one of it with everything that users decide.
 *
 * - Today's equals the last one: it is applied again, which repairs changes by others. The version in the revision stays until
 *   a user changes something or asks for an upgrade.
 * - Today's differs, and users have changed nothing: only ws-operator has changed, so the applied version stays.
 * - Users have changed something: today's is applied, with their rollout.
 */
export function pin({ recorded, today, applied, inputs, upgrade, version }: Pinnable): Pin {
  const rendered = hash(today)
  const take = (seen: unknown, of = version): Pin => ({
    kept: false,
    revision: format(of, rendered, hash([inputs, seen])),
  })
  if (applied === undefined) return take(today)
  const last = parse(recorded)
  // The observed value counts, not the sent one: an admission policy may have changed it.
  const unchanged = last?.seen === hash([inputs, applied])
  // The balancer follows the version: with a sidecar image chosen by the user, nothing else shows that it may be replaced.
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

/** The version and the hash of what was applied, without the hash of the user's decisions. */
export const renderedPart = (revision: string): string => revision.slice(0, revision.lastIndexOf('-'))

const format = (version: string, rendered: string, seen: string): string => `${version}-${rendered}-${seen}`

/** @returns `undefined` for text in another form, such as an older one: it counts as absent */
function parse(revision = ''): { version: string; rendered: string; seen: string } | undefined {
  const [, version, rendered, seen] = /^(.{1,64})-([0-9a-f]{10})-([0-9a-f]{10})$/.exec(revision) ?? []
  return version && rendered && seen ? { version, rendered, seen } : undefined
}

/** A change of its results would roll every pinned Deployment; a test holds fixed values. */
export const hash = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(canonical(value, 0)) ?? '')
    .digest('hex')
    .slice(0, 10)

/** Deepest level that is compared; no pod template is nested that deep. */
const MAX_DEPTH = 64

/**
 * A value in canonical form: sorted keys, no nulls, and a sorted environment, because server-side apply keeps the order of existing
 * variables and appends new ones.
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
