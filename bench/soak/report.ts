import type { Churn } from './churn.ts'
import { type Course, inMib, quarters, type Sample } from './verdict.ts'

/** One line of the table that grows during a soak. */
export function sampleLine(seconds: number, lives: number, name: string, sample: Sample): string {
  const { rss, heap, external, files, timers, sockets, connections, users, queueBytes } = sample
  const cells = [
    `${Math.round(seconds)} s`,
    lives,
    name,
    inMib(rss),
    inMib(heap),
    inMib(external),
    files,
    timers,
    sockets,
    connections,
    users,
    queueBytes,
  ]
  return `| ${cells.join(' | ')} |`
}

export const SAMPLE_HEADER = `| time | lives begun | program | RSS MiB | heap MiB | external MiB | open files | timers | sockets | connections | users | queue bytes |
|---|---|---|---|---|---|---|---|---|---|---|---|`

/** What remains to be said when a soak is over. */
export function summary(courses: readonly Course[], churn: Churn): string {
  const lines = [
    '',
    'The least of each quarter:',
    '',
    '| program | | before | 1/4 | 2/4 | 3/4 | 4/4 | after |',
    '|---|---|---|---|---|---|---|---|',
  ]
  for (const { name, before, during, after } of courses) {
    for (const kind of ['rss', 'heap', 'external'] as const) {
      const cells = [before[kind], ...quarters(during.map(sample => sample[kind])), after[kind]].map(inMib)
      lines.push(`| ${name} | ${kind} MiB | ${cells.join(' | ')} |`)
    }
    for (const kind of ['files', 'timers', 'sockets', 'connections'] as const) {
      const cells = [before[kind], ...quarters(during.map(sample => sample[kind])), after[kind]]
      lines.push(`| ${name} | ${kind} | ${cells.join(' | ')} |`)
    }
  }
  lines.push('', '| life | lives | ended otherwise |', '|---|---|---|')
  for (const [name, { lives, unexpected }] of [...churn.tallies].sort(([a], [b]) => a.localeCompare(b))) {
    const others = [...unexpected].map(([end, count]) => `${count} × ${end}`)
    lines.push(`| ${name} | ${lives} | ${others.join(', ') || 0} |`)
  }
  if (churn.leftOut > 0) lines.push('', `${churn.leftOut} lives were left out: too many at once for this machine.`)
  return lines.join('\n')
}
