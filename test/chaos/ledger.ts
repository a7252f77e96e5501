import { checkDirects } from './directs.ts'
import type { AppEvent, ClientEvent, Incident, Truth } from './events.ts'
import { Excuses } from './excuses.ts'
import { Account, type Finding, type Findings } from './findings.ts'
import type { Deliver } from './schedule.ts'
import { checkPushes, checkUps } from './streams.ts'

/** Everything that is known about a run. */
export interface Facts {
  readonly clients: readonly ClientEvent[]
  /** In the order of time. */
  readonly apps: readonly AppEvent[]
  readonly incidents: readonly Incident[]
  readonly truths: readonly Truth[]
  readonly deliver: Deliver
  /** Whether senders are told what became of their addressed messages. */
  readonly receipts: boolean
  /** When the users began to leave: what an app pushes later may miss them. */
  readonly endAt: number
}

export interface Verdict {
  readonly findings: Findings
  /** Messages that may be lost or late, and are, by the kind of incident. */
  readonly allowed: Record<string, number>
  readonly sent: { readonly ups: number; readonly pushes: number; readonly directs: number }
  /** Addressed messages that reached one device of their user and missed another one that was connected all the time. */
  readonly partial: Finding
  /** Milliseconds from the last byte of an addressed message to its arrival, ascending. */
  readonly forwardMs: Float64Array
}

/** Judges a run: each message that was written has to arrive once, in its order, at the right one. */
export function judge(facts: Facts): Verdict {
  const { clients, apps } = facts
  const account = new Account(clients.reduce((first, { at }) => Math.min(first, at), Number.POSITIVE_INFINITY))
  const excuses = new Excuses(apps, facts.incidents, facts.truths)
  checkConnections(facts, account)
  checkUps(facts, excuses, account)
  checkPushes(facts, excuses, account)
  const { times, partial } = checkDirects(facts, excuses, account)
  return {
    findings: account.findings,
    allowed: account.allowed,
    partial,
    forwardMs: Float64Array.from(times).sort(),
    sent: {
      ups: clients.filter(({ e }) => e === 'up').length,
      pushes: apps.filter(({ e }) => e === 'app-push').length,
      directs: clients.filter(({ e }) => e === 'direct').length,
    },
  }
}

/** Who was closed, and what came where it does not belong. */
function checkConnections({ clients, apps }: Facts, account: Account): void {
  for (const event of clients) {
    if (event.e === 'closed' && !event.expected) {
      account.found('disconnected', event.at, `${event.c} was closed with ${event.code}`)
    } else if (event.e === 'stray') {
      account.found(event.damaged ? 'damaged' : 'misrouted', event.at, `client ${event.c} received ${event.what}`)
    }
  }
  for (const event of apps) {
    if (event.e !== 'app-stray') continue
    const { at, link, c, what, damaged } = event
    account.found(damaged ? 'damaged' : 'misrouted', at, `app ${link}, connection of ${c}: ${what}`)
  }
}
