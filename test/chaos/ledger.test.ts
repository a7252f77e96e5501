import t from 'tap'
import type { AppEvent, ClientEvent, Incident } from './events.ts'
import { CHECKS } from './findings.ts'
import { type Facts, judge } from './ledger.ts'

const A = 'alice/0.0'
const B = 'bob/0.0'
const A_LINK = 'p1/1#1'
const B_LINK = 'p2/1#1'
const members = new Map([
  ['127.0.0.11:3000', 'p1'],
  ['127.0.0.12:3000', 'p2'],
])

const opens: readonly ClientEvent[] = [
  { e: 'open', at: 0, c: A, balancer: 'b', member: '127.0.0.11:3000' },
  { e: 'open', at: 0, c: B, balancer: 'b', member: '127.0.0.12:3000' },
]
const appOpens: readonly AppEvent[] = [
  { e: 'app-open', at: 1, link: A_LINK, c: A },
  { e: 'app-open', at: 1, link: B_LINK, c: B },
]
const up = (n: number, at: number): ClientEvent => ({ e: 'up', at, begun: at, c: A, n })
const appUp = (n: number, at: number, link = A_LINK): AppEvent => ({ e: 'app-up', at, link, c: A, n })
const echo = (n: number, at: number, late = false): ClientEvent => ({ e: 'echo', at, c: A, n, late })
const appPush = (n: number, at: number): AppEvent => ({ e: 'app-push', at, link: A_LINK, c: A, n })
const pushed = (n: number, at: number): ClientEvent => ({ e: 'push', at, c: A, link: A_LINK, n })
const direct = (n: number, at: number): ClientEvent => ({ e: 'direct', at, begun: at, c: A, to: 'bob', n })
const arrived = (n: number, at: number, c = B): ClientEvent => ({ e: 'arrived', at, c, from: A, n })
const appDirect = (n: number, at: number): AppEvent => ({ e: 'app-direct', at, link: B_LINK, c: B, from: A, n })

function facts(clients: ClientEvent[], apps: AppEvent[] = [], more: Partial<Facts> = {}): Facts {
  return {
    clients: [...opens, ...clients],
    apps: [...appOpens, ...apps].sort((a, b) => a.at - b.at),
    incidents: [],
    truths: [{ at: 0, members }],
    deliver: 'client',
    receipts: false,
    endAt: 100_000,
    ...more,
  }
}

/** The checks that failed, with their numbers. */
function failed(given: Facts): Record<string, number> {
  const { findings } = judge(given)
  return Object.fromEntries(
    CHECKS.flatMap(check => (findings[check].count > 0 ? [[check, findings[check].count]] : [])),
  )
}

const kill = (pod: string, at: number, kind: Incident['kind'] = 'kill'): Incident => ({ kind, pod, from: at, to: at })

t.test('a run in which all is well', async t => {
  const verdict = judge(
    facts(
      [up(0, 10), up(1, 12), echo(0, 14), echo(1, 15), pushed(0, 21), direct(0, 30), arrived(0, 34)],
      [appUp(0, 11), appUp(1, 13), appPush(0, 20)],
    ),
  )
  for (const check of CHECKS) t.equal(verdict.findings[check].count, 0, check)
  t.strictSame(verdict.allowed, {})
  t.strictSame(verdict.sent, { ups: 2, pushes: 1, directs: 1 })
  t.strictSame([...verdict.forwardMs], [4])
})

t.test('each thing that goes wrong is found, once, under its name', async t => {
  const ups = [up(0, 10), up(1, 11)]
  const appUps = [appUp(0, 12), appUp(1, 13)]
  const cases: [string, Facts, Record<string, number>][] = [
    ['a client is closed', facts([{ e: 'closed', at: 50, c: A, code: 1006, expected: false }]), { disconnected: 1 }],
    ['a message never reaches an app', facts(ups.concat(echo(1, 20)), [appUp(1, 13)]), { lost: 1 }],
    ['an answer is lost', facts(ups.concat(echo(0, 20)), appUps), { lost: 1 }],
    ['a push is lost', facts([pushed(1, 30)], [appPush(0, 20), appPush(1, 21)]), { lost: 1 }],
    ['an addressed message is lost', facts([direct(0, 20)]), { lost: 1 }],
    [
      'an app gets a message twice',
      facts([...ups, echo(0, 20), echo(1, 21)], [...appUps, appUp(1, 30)]),
      { doubled: 1 },
    ],
    [
      'another app gets it as well',
      facts([...ups, echo(0, 20), echo(1, 21)], [...appUps, appUp(1, 30, 'p2/1#2')]),
      { doubled: 1 },
    ],
    ['an answer comes twice', facts([...ups, echo(0, 20), echo(1, 21), echo(1, 22)], appUps), { doubled: 1 }],
    [
      'a late answer comes twice',
      facts([up(0, 10), echo(0, 20, true), echo(0, 21, true)], [appUp(0, 12)]),
      { doubled: 1 },
    ],
    ['a push comes twice', facts([pushed(0, 30), pushed(0, 31)], [appPush(0, 20)]), { doubled: 1 }],
    ['an addressed message comes twice', facts([direct(0, 20), arrived(0, 21), arrived(0, 22)]), { doubled: 1 }],
    [
      'an app gets an addressed message twice',
      facts([direct(0, 20), arrived(0, 24)], [appDirect(0, 21), appDirect(0, 22)]),
      { doubled: 1 },
    ],
    [
      'an app gets messages in another order',
      facts([...ups, echo(0, 20), echo(1, 21)], [appUp(1, 12), appUp(0, 13)]),
      { reordered: 1 },
    ],
    [
      'two apps get messages in another order',
      facts([...ups, echo(0, 20), echo(1, 21)], [appUp(1, 12, 'p2/1#2'), appUp(0, 13)]),
      { reordered: 1 },
    ],
    ['answers come in another order', facts([...ups, echo(1, 20), echo(0, 21)], appUps), { reordered: 1 }],
    [
      'pushes come in another order',
      facts([pushed(1, 30), pushed(0, 31)], [appPush(0, 20), appPush(1, 21)]),
      { reordered: 1 },
    ],
    [
      'addressed messages come in another order',
      facts([direct(0, 20), direct(1, 21), arrived(1, 30), arrived(0, 31)]),
      { reordered: 1 },
    ],
    [
      'a client gets what is not for it',
      facts([{ e: 'stray', at: 9, c: A, what: '?', damaged: false }]),
      { misrouted: 1 },
    ],
    ['a client gets damaged bytes', facts([{ e: 'stray', at: 9, c: A, what: '?', damaged: true }]), { damaged: 1 }],
    ['a client gets what nobody has sent', facts([arrived(7, 20)]), { misrouted: 1 }],
    [
      'an app gets what is not for it',
      facts([], [{ e: 'app-stray', at: 9, link: A_LINK, c: A, what: '?', damaged: false }]),
      { misrouted: 1 },
    ],
  ]
  for (const [what, given, expected] of cases) t.strictSame(failed(given), expected, what)
})

t.test('the first example says what, whose and when', async t => {
  const { findings } = judge(facts([up(3, 2500)]))
  t.strictSame(findings.lost.examples, ['+2.500 s message 3 of client alice/0.0 never reached an app'])
})

t.test('late answers may overtake others', async t => {
  const clients = [up(0, 10), up(1, 11), echo(1, 20), echo(0, 21, true)]
  t.strictSame(failed(facts(clients, [appUp(0, 12), appUp(1, 13)])), {})
})

t.test("the run's own end of a connection is no disconnect, and pushes after it are not judged", async t => {
  const closed: ClientEvent = { e: 'closed', at: 90, c: A, code: 1000, expected: true }
  t.strictSame(failed(facts([closed], [appPush(0, 85)], { endAt: 80 })), {})
})

t.test('a second device', async t => {
  const second: ClientEvent = { e: 'open', at: 0, c: 'bob/1.0', balancer: 'b', member: '127.0.0.12:3000' }
  const both = judge(facts([second, direct(0, 20), arrived(0, 21), arrived(0, 22, 'bob/1.0')]))
  t.equal(both.findings.doubled.count, 0, 'each device gets it once')
  t.equal(both.partial.count, 0)
  const one = judge(facts([second, direct(0, 20), arrived(0, 21)]))
  t.equal(one.findings.lost.count, 0)
  t.equal(one.partial.count, 1, 'one device missed it')
})

t.test('receipts: one for each message, and true', async t => {
  const receipt = (n: number, outcome: string): ClientEvent => ({ e: 'receipt', at: 50, c: A, to: 'bob', n, outcome })
  const told = (...receipts: ClientEvent[]) =>
    failed(facts([direct(0, 20), arrived(0, 21), ...receipts], [], { receipts: true }))
  t.strictSame(told(receipt(0, 'delivered')), {})
  t.strictSame(told(receipt(0, 'timeout')), {})
  t.strictSame(told(), { unanswered: 1 })
  t.strictSame(told(receipt(0, 'delivered'), receipt(0, 'delivered')), { doubled: 1 })
  t.strictSame(told(receipt(0, 'offline')), { misreported: 1 })
  t.strictSame(told(receipt(0, 'delivered'), receipt(1, 'delivered')), { misrouted: 1 })
  const killed = facts([direct(0, 5000), arrived(0, 5001)], [], { receipts: true, incidents: [kill('p1', 5010)] })
  t.strictSame(failed(killed), {}, 'the pod that would have told was killed')
})

t.test('what may be lost', async t => {
  const allowed = (given: Facts) => {
    t.strictSame(failed(given), {})
    return judge(given).allowed
  }
  t.strictSame(
    allowed(facts([up(0, 5000)], [], { incidents: [kill('p1', 5010)] })),
    { kill: 1 },
    'in flight to a killed pod',
  )
  t.strictSame(
    allowed(facts([], [appPush(0, 5000)], { incidents: [kill('p1', 5010)] })),
    { kill: 1 },
    'inside a killed pod',
  )
  t.strictSame(allowed(facts([direct(0, 5000)], [], { incidents: [kill('p2', 5010)] })), { kill: 1 }, 'to a user of it')
  t.strictSame(
    allowed(facts([direct(0, 5000)], [], { incidents: [kill('p1', 5010)] })),
    { kill: 1 },
    'from a user of it',
  )
  t.strictSame(
    allowed(facts([direct(0, 5000)], [], { deliver: 'app', incidents: [kill('p2', 5010, 'exit')] })),
    { exit: 1 },
    'inside an app that exited',
  )
  const left: ClientEvent = { e: 'closed', at: 4000, c: B, code: 1000, expected: false }
  t.strictSame(judge(facts([left, direct(0, 5000)])).allowed, { offline: 1 }, 'to a user who is not there')
})

t.test('what may be late', async t => {
  const late = [direct(0, 5000), direct(1, 5100), arrived(1, 5300), arrived(0, 5301)]
  for (const kind of ['exit', 'kill-app', 'cut'] as const) {
    const ended = facts(late, [], { incidents: [kill('p1', 5010, kind)] })
    t.strictSame(failed(ended), {}, 'the way of the sender ended')
    t.strictSame(judge(ended).allowed, { [`late, ${kind}`]: 1 })
  }
  for (const incident of [kill('p2', 5010, 'exit'), kill('p1', 5010, 'kill'), kill('p1', 7000, 'exit')])
    t.strictSame(failed(facts(late, [], { incidents: [incident] })), { reordered: 1 }, JSON.stringify(incident))
})

t.test('what may not be lost, although a pod was killed', async t => {
  const incidents = [kill('p2', 5010)]
  t.strictSame(failed(facts([up(0, 5000)], [], { incidents })), { lost: 1 }, 'on a connection of another pod')
  t.strictSame(failed(facts([], [appPush(0, 5000)], { incidents })), { lost: 1 }, 'of an app of another pod')
  const mine = [kill('p1', 5010)]
  t.strictSame(failed(facts([up(0, 3000)], [], { incidents: mine })), { lost: 1 }, 'long before')
  t.strictSame(failed(facts([up(0, 6500)], [], { incidents: mine })), { lost: 1 }, 'long after')
  t.strictSame(
    failed(facts([direct(0, 5000)], [], { incidents: [kill('p2', 5010, 'kill-app')] })),
    { lost: 1 },
    'straight to a client, past the app that was killed',
  )
  const moved: AppEvent = { e: 'app-close', at: 2000, link: A_LINK, c: A, code: 1000 }
  t.strictSame(
    failed(facts([up(0, 5000)], [moved], { incidents: mine })),
    { lost: 1 },
    'of a client that had moved away',
  )
  t.strictSame(
    failed(
      facts([up(0, 5000), up(1, 5001), echo(1, 5002), echo(1, 5003), echo(0, 5004)], [appUp(0, 5001), appUp(1, 5002)], {
        incidents: mine,
      }),
    ),
    { doubled: 1, reordered: 1 },
    'and nothing may be doubled or reordered',
  )
})

t.test('a device that was moved to where its user has another one may get a message twice, others not', async t => {
  const twice = [direct(0, 1000), arrived(0, 1010), arrived(0, 1011)]
  const other: AppEvent = { e: 'app-open', at: 2, link: 'p1/1#2', c: 'bob/1.0' }
  const moved: AppEvent = { e: 'app-open', at: 900, link: 'p1/1#3', c: B }
  const sender = { deliver: 'sender' } as const
  t.strictSame(failed(facts(twice, [], sender)), { doubled: 1 })
  t.strictSame(failed(facts(twice, [moved], sender)), { doubled: 1 }, 'no other device')
  t.strictSame(failed(facts(twice, [other], sender)), { doubled: 1 }, 'not moved')
  t.strictSame(failed(facts(twice, [other, moved], sender)), {})
  t.strictSame(failed(facts(twice, [other, moved], { deliver: 'client' })), { doubled: 1 })
  const shadow: AppEvent = { ...moved, shadow: true }
  t.strictSame(failed(facts(twice, [other, shadow], sender)), { doubled: 1 }, 'a shadow is no move')
})

t.test('what is pushed on a shadow may be a greeting, but comes once and in order', async t => {
  const link = 'p2/1#9'
  const open: AppEvent = { e: 'app-open', at: 2, link, c: A, shadow: true }
  const push = (n: number): AppEvent => ({ e: 'app-push', at: 10 + n, link, c: A, n })
  const got = (n: number, at: number): ClientEvent => ({ e: 'push', at, c: A, link, n })
  const apps = [open, push(0), push(1), push(2)]
  t.strictSame(failed(facts([got(1, 20), got(2, 21)], apps)), {})
  t.strictSame(failed(facts([got(2, 20), got(1, 21)], apps)), { reordered: 1 })
  t.strictSame(failed(facts([got(1, 20), got(1, 21)], apps)), { doubled: 1 })
})
