import type { Excuses, Written } from './excuses.ts'
import { push } from './excuses.ts'
import type { Account } from './findings.ts'
import type { Facts } from './ledger.ts'

/** Client to app, and the app's answers. */
export function checkUps(facts: Facts, excuses: Excuses, account: Account): void {
  const { clients, apps } = facts
  const sent = new Map<string, Map<number, Written>>()
  const atApp = new Map<string, { n: number; at: number; link: string }[]>()
  const echoes = new Map<string, { n: number; at: number; late: boolean }[]>()
  for (const event of clients) {
    if (event.e === 'open') sent.set(event.c, new Map())
    else if (event.e === 'up') sent.get(event.c)?.set(event.n, event)
    else if (event.e === 'echo') push(echoes, event.c, event)
  }
  for (const event of apps) if (event.e === 'app-up') push(atApp, event.c, event)
  for (const [c, ups] of sent) {
    const read = atApp.get(c) ?? []
    const answers = echoes.get(c) ?? []
    account.sequence(read, `client ${c} to app`)
    account.sequence(
      answers.filter(({ late }) => !late),
      `answers to client ${c}`,
    )
    // Answers that the app takes its time for may overtake each other, but come once.
    account.sequence(
      answers.filter(({ late }) => late),
      `late answers to client ${c}`,
      () => true,
    )
    const readBy = new Map(read.map(({ n, link }) => [n, link]))
    const answered = new Set(answers.map(({ n }) => n))
    for (const [n, written] of ups) {
      if (answered.has(n)) continue
      const link = readBy.get(n)
      const what = link === undefined ? 'never reached an app' : `was read by ${link}, but the answer is missing`
      account.missed('lost', written.at, excuses.ofStream(c, written), `message ${n} of client ${c} ${what}`)
    }
  }
}

/** What the app writes by itself. */
export function checkPushes(facts: Facts, excuses: Excuses, account: Account): void {
  const { clients, apps, endAt } = facts
  const arrived = new Map<string, { n: number; at: number }[]>()
  for (const event of clients) if (event.e === 'push') push(arrived, event.link, event)
  const seen = new Map<string, Set<number>>()
  for (const [link, arrivals] of arrived) {
    account.sequence(arrivals, `pushes of ${link}`)
    seen.set(link, new Set(arrivals.map(({ n }) => n)))
  }
  const closedAt = new Map(apps.flatMap(event => (event.e === 'app-close' ? [[event.link, event.at]] : [])))
  // What is written on a shadow before the first message is a greeting, and it ends when it likes.
  const shadows = new Set(apps.flatMap(event => (event.e === 'app-open' && event.shadow ? [event.link] : [])))
  for (const event of apps) {
    if (event.e !== 'app-push' || shadows.has(event.link) || event.at > endAt || seen.get(event.link)?.has(event.n))
      continue
    const closed = closedAt.get(event.link)
    const end = closed === undefined ? '' : `, ${(closed - event.at).toFixed(1)} ms before the app saw its end`
    account.missed(
      'lost',
      event.at,
      excuses.ofPush(event.link, event.at),
      `push ${event.n} of ${event.link} to ${event.c}${end}`,
    )
  }
}
