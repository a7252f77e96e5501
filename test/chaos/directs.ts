import { type ClientEvent, userOf } from './events.ts'
import { type Excuses, push } from './excuses.ts'
import { type Account, type Finding, note } from './findings.ts'
import type { Facts } from './ledger.ts'

type Direct = Extract<ClientEvent, { e: 'direct' }>

interface Arrival {
  readonly n: number
  readonly at: number
  readonly from: string
  readonly c: string
}

/** A connection of a user, while it was open. */
interface Session {
  readonly c: string
  readonly from: number
  readonly till: number
}

/** A device that leaves so shortly after a message was written may miss it. */
const LEAVING_MS = 1000

/** What a sender may be told of a message that has arrived: it did, or nobody knows. */
const ARRIVED_OUTCOMES = ['delivered', 'timeout']

/**
 * Checks what users wrote to each other.
 *
 * @returns how long each message took to its first device, and those that missed another one
 */
export function checkDirects(facts: Facts, excuses: Excuses, account: Account): { times: number[]; partial: Finding } {
  const { clients, apps, deliver } = facts
  const sent = new Map<string, Direct>()
  const arrivals = new Map<string, Arrival[]>()
  const lanes = new Map<string, Arrival[]>()
  for (const event of clients) {
    if (event.e === 'direct') sent.set(keyOf(event.c, event.to, event.n), event)
    if (event.e !== 'arrived') continue
    push(lanes, `${event.from} to ${event.c}`, event)
    push(arrivals, keyOf(event.from, userOf(event.c), event.n), event)
  }
  for (const event of apps) {
    if (event.e === 'app-direct') push(lanes, `${event.from} to the app of ${event.c}`, event)
  }
  const mayBeLate = ({ from, c, n }: Arrival): boolean => {
    const message = sent.get(keyOf(from, userOf(c), n))
    const excuse = message && excuses.ofLate(from, message)
    if (excuse) account.allow(`late, ${excuse}`)
    return excuse !== undefined
  }
  const mayBeTwice = ({ c, at }: Arrival): boolean => {
    const excuse = deliver === 'sender' ? excuses.ofTwice(c, at) : undefined
    if (excuse) account.allow(`twice, ${excuse}`)
    return excuse !== undefined
  }
  for (const [lane, messages] of lanes) account.sequence(messages, `addressed, ${lane}`, mayBeLate, mayBeTwice)
  for (const [key, [first]] of arrivals) {
    if (first && !sent.has(key))
      account.found('misrouted', first.at, `${first.c} received ${key}, which nobody has sent`)
  }
  const times: number[] = []
  const partial: Finding = { count: 0, examples: [] }
  const sessions = sessionsOf(clients)
  for (const [key, message] of sent) {
    const { c, to, n, at, begun } = message
    const there = (sessions.get(to) ?? []).filter(({ from, till }) => from <= begun && till >= at + LEAVING_MS)
    const got = arrivals.get(key) ?? []
    if (got[0]) {
      times.push(got[0].at - at)
      const missed = ({ c }: Session) => !got.some(arrival => arrival.c === c) && !excuses.ofStream(c, message)
      // One connection is all that `app` promises.
      const without = deliver === 'app' ? undefined : there.find(missed)
      if (without) note(partial, `${account.time(at)} message ${n} of ${c} to ${to} missed ${without.c}`)
    } else {
      const excuse = there.length === 0 ? 'offline' : excuses.ofDirect(c, to, deliver, message)
      account.missed('lost', at, excuse, `addressed message ${n} of ${c} to ${to}`)
    }
  }
  if (facts.receipts) checkReceipts(facts, excuses, account, sent, arrivals)
  return { times, partial }
}

const keyOf = (c: string, to: string, n: number): string => `message ${n} of ${c} to ${to}`

/** Each message has one receipt, and what it says is true as far as the receivers know. */
function checkReceipts(
  { clients }: Facts,
  excuses: Excuses,
  account: Account,
  sent: ReadonlyMap<string, Direct>,
  arrivals: ReadonlyMap<string, readonly Arrival[]>,
): void {
  const told = new Set<string>()
  for (const event of clients) {
    if (event.e !== 'receipt') continue
    const { c, to, n, at, outcome } = event
    const key = keyOf(c, to, n)
    if (told.has(key)) account.found('doubled', at, `receipt for ${key}`)
    told.add(key)
    if (!sent.has(key)) account.found('misrouted', at, `receipt for ${key}, which nobody has sent`)
    else if (arrivals.has(key) && !ARRIVED_OUTCOMES.includes(outcome)) {
      account.found('misreported', at, `${key} arrived, but its receipt says ${outcome}`)
    }
  }
  for (const [key, message] of sent) {
    if (told.has(key)) continue
    // A receipt goes the way of an answer, once the message has arrived: what is cut off before that has none.
    const at = Math.max(message.at, ...(arrivals.get(key) ?? []).map(arrival => arrival.at))
    account.missed(
      'unanswered',
      message.at,
      excuses.ofStream(message.c, { begun: message.begun, at }),
      `no receipt for ${key}`,
    )
  }
}

function sessionsOf(clients: readonly ClientEvent[]): Map<string, Session[]> {
  const closedAt = new Map(
    clients.flatMap(event => (event.e === 'closed' && !event.expected ? [[event.c, event.at]] : [])),
  )
  const sessions = new Map<string, Session[]>()
  for (const event of clients) {
    if (event.e !== 'open') continue
    push(sessions, userOf(event.c), { c: event.c, from: event.at, till: closedAt.get(event.c) ?? Infinity })
  }
  return sessions
}
