import { percentile } from '../../bench/report/stats.ts'
import { CHECKS } from './findings.ts'
import type { Result } from './run.ts'

/** Violations of a run, all together. */
export const violations = ({ findings }: Result): number =>
  CHECKS.reduce((sum, check) => sum + findings[check].count, 0)

/** A run as JSON: counts, the first examples, times in milliseconds. */
export function toJson(result: Result) {
  const { plan, users, seconds, findings, allowed, partial, sent, outcomes, moves, folder } = result
  const { seed, kind, preStopMs, onTerm, deliver, relay } = plan
  return {
    ...{ seed, kind, seconds, users, preStopMs, onTerm, deliver, relay, steps: plan.steps.length },
    violations: violations(result),
    findings,
    allowed,
    partial,
    sent,
    outcomes,
    forwardMs: { p50: share(result, 0.5), p99: share(result, 0.99), max: share(result, 1) },
    moves: moves.map(({ at: _at, ...move }) => move),
    folder,
  }
}

function share({ forwardMs }: Result, part: number): number | undefined {
  return forwardMs.length === 0 ? undefined : Number(percentile(forwardMs, part).toFixed(1))
}

/** A run as a table for a person. */
export function toText(result: Result): string {
  const { findings, allowed, partial, sent, moves, plan } = result
  const { seed, kind, preStopMs, onTerm, deliver, relay } = plan
  const rows: [string, string | number, string][] = [
    ...CHECKS.map(
      check => [check, findings[check].count, findings[check].examples[0] ?? ''] as [string, number, string],
    ),
    ['missed one device', partial.count, partial.examples[0] ?? ''],
    ['lost or late, as it may be', list(allowed), ''],
    ['sent', `${sent.ups} to the app, ${sent.pushes} by the app, ${sent.directs} to users`, ''],
    ['outcomes', list(result.outcomes), ''],
    ['forwarded in', `p50 ${share(result, 0.5)} ms, p99 ${share(result, 0.99)} ms, at most ${share(result, 1)} ms`, ''],
    ...moves.map(move => ['moved', moveText(move), ''] as [string, string, string]),
  ]
  const head = `seed ${seed}, ${kind}: preStop ${preStopMs} ms, SIGTERM ${onTerm}, deliver to ${deliver}${relay ? ', relays' : ''}`
  return [
    head,
    ...rows.map(([name, value, example]) => `  ${name.padEnd(28)}${value}${example && `   ${example}`}`),
  ].join('\n')
}

function list(counts: Readonly<Record<string, number>>): string {
  const present = Object.entries(counts).filter(([, n]) => n > 0)
  return present.length === 0 ? '0' : present.map(([name, n]) => `${n} ${name}`).join(', ')
}

function moveText({ added, removed, moved, arrived, p95Ms }: Result['moves'][number]): string {
  const change = [...added.map(pod => `+${pod}`), ...removed.map(pod => `-${pod}`)].join(' ')
  const time = p95Ms === undefined ? '' : `, 95 % after ${Math.round(p95Ms)} ms`
  return `${change}: ${arrived} of ${moved} connections arrived${time}`
}
