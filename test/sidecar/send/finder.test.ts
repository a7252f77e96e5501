import t from 'tap'
import { createMember, type Member } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { Registry } from '../../../sidecar/connections/registry.ts'
import { KnownPeers } from '../../../sidecar/peers/known-peers.ts'
import { Finder, type Miss, type Target } from '../../../sidecar/send/finder.ts'
import { LocationCache } from '../../../sidecar/send/location-cache.ts'
import type { Answer } from '../../../sidecar/transport/outcome.ts'
import type { RoutedMessage, Transport } from '../../../sidecar/transport/transport.ts'

const [SELF, A, B] = [1, 2, 3].map(n => createMember('10.0.0.1', n)) as [Member, Member, Member]
const STRANGER = '[2001:db8::9]:3000'

/** A finder that knows A and B; what each member answers is said by name, `offline` if nothing is. */
function start(members = [A, B], changedAt = Number.NEGATIVE_INFINITY) {
  const answers = new Map<string, Answer>()
  const asked: string[] = []
  const metrics = new Metrics()
  const registry = new Registry()
  const locationCache = new LocationCache({ self: SELF.name, metrics })
  const transport: Transport = {
    async send({ name }) {
      asked.push(name)
      return answers.get(name) ?? 'offline'
    },
    announce: async () => true,
    pipelines: () => true,
    end: () => {},
    close: () => {},
  }
  const set = MemberSet.of(members)
  const changed = { at: changedAt }
  const finder = new Finder({
    self: SELF.name,
    members: () => set,
    history: { changedWithin: ms => performance.now() - changed.at <= ms, isNew: () => false, formerOwners: () => [] },
    knownPeers: new KnownPeers({ members: () => set, history: { get: () => undefined } }),
    registry,
    locationCache,
    delivery: { deliver: () => 'offline' },
    transport,
    timeoutMs: 60_000,
    metrics,
  })
  const user = 'bob'
  const owner = set.owner(user) as Member
  const routed: RoutedMessage = {
    user,
    deliver: 'app',
    message: { data: Buffer.from('x'), binary: false },
    lane: 1,
    start: true,
    deliveredTo: undefined,
  }
  const ask = (target: Target) => finder.ask(target, routed, new AbortController().signal)
  const seek = (target: Target, miss: Miss, waitMs = 0) => {
    const now = performance.now()
    return finder.seek(finder.search(user, target, miss, waitMs), routed, now, now + 5000)
  }
  return {
    finder,
    answers,
    asked,
    changed,
    locationCache,
    registry,
    user,
    owner,
    other: owner === A ? B : A,
    ask,
    seek,
    routed,
  }
}

t.test('a message goes first to where its recipient is, is believed to be, or belongs', async t => {
  const { finder, locationCache, registry, user, owner } = start()
  t.equal(finder.locate(user), owner)
  locationCache.set(user, STRANGER)
  t.equal(finder.locate(user), owner, 'a name that is no member’s')
  locationCache.set(user, 'no member at all')
  t.equal(finder.locate(user), owner)
  registry.add(user, { state: 'open' } as never)
  t.equal(finder.locate(user), 'here')
  t.equal(start([SELF]).finder.locate(user), 'here')
  t.equal(start([]).finder.locate(user), undefined)
})

t.test('where a message has reached its recipient, the next goes at once, and what was wrong is forgotten', async t => {
  const { answers, locationCache, user, owner, other, seek } = start()
  answers.set(STRANGER, 'delivered')
  t.equal(await seek(owner, { member: STRANGER }), 'delivered')
  t.equal(locationCache.get(user), STRANGER)
  answers.set(owner.name, 'delivered')
  t.equal(await seek({ ...other, name: STRANGER }, 'offline'), 'delivered')
  t.equal(locationCache.get(user), undefined, 'the owner needs no note')
})

t.test('with a token: a name is no member, but one of us can name one', async t => {
  const { finder, answers, asked, locationCache, user, owner, other, seek } = start()
  locationCache.set(user, STRANGER)
  t.equal(finder.locate(user), owner)
  t.equal(await seek('here', { member: STRANGER }), 'offline')
  t.strictSame(asked.splice(0), [owner.name, other.name], 'what is known here proves nothing')
  answers.set(other.name, { member: STRANGER })
  answers.set(STRANGER, 'delivered')
  t.equal(await seek(owner, { member: other.name }), 'delivered')
  t.strictSame(asked, [other.name, STRANGER])
})

t.test('a member that could not be reached is not asked again for a second', async t => {
  const { answers, asked, owner, other, ask, seek } = start()
  answers.set(owner.name, 'no_owner')
  answers.set(other.name, 'delivered')
  t.equal(await ask(owner), 'no_owner')
  t.equal(await seek(owner, 'no_owner'), 'delivered')
  t.strictSame(asked.splice(0), [owner.name, other.name])
  answers.delete(owner.name)
  const later = performance.now() + 1000
  // However many messages pass it over in the meantime.
  while (performance.now() < later) {
    t.equal(await seek(owner, 'no_owner'), 'delivered')
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.notOk(asked.includes(owner.name))
  t.equal(await ask(owner), 'offline')
})

t.test('nobody there: offline, if anybody could be asked; a bad name is nobody', async t => {
  const { answers, owner, other, seek } = start()
  t.equal(await seek(owner, 'offline'), 'offline')
  t.equal(await seek(owner, { member: 'no member at all' }), 'offline')
  answers.set(other.name, 'no_owner')
  t.equal(await seek(owner, 'no_owner'), 'no_owner')
  t.equal(await start([]).seek(undefined, 'no_owner'), 'no_owner')
})

t.test('who can be nobody is not looked for where nobody can be asked', async t => {
  const { finder, answers, owner, other, ask, seek, routed } = start()
  const bad = { ...routed, user: 'bad\0name' }
  const signal = new AbortController().signal
  t.equal(await finder.ask(undefined, bad, signal), 'rejected')
  t.equal(await ask(undefined), 'no_owner')
  answers.set(owner.name, 'no_owner')
  answers.set(other.name, 'delivered')
  t.equal(await ask(owner), 'no_owner')
  t.equal(await seek(owner, 'no_owner'), 'delivered')
  t.equal(await finder.ask(owner, bad, signal), 'rejected', 'also where the owner is passed over')
})

t.test('what ends a search at once', async t => {
  for (const outcome of ['timeout', 'too_large', 'slow_consumer', 'rejected'] as const) {
    const { answers, other, owner, seek } = start()
    answers.set(other.name, outcome)
    t.equal(await seek(owner, 'no_owner', 1000), outcome)
  }
})

const MANY = Array.from({ length: 12 }, (_, n) => createMember('10.0.0.2', 3000 + n))

/** While members change: a finder, and so many messages for one user at the same time. */
function startUnsettled() {
  const started = start(MANY, performance.now() - 5000)
  const send = async (count: number) => {
    const before = started.asked.length
    const outcomes = await Promise.all(Array.from({ length: count }, () => started.seek(started.owner, 'offline', 300)))
    return { outcomes: [...new Set(outcomes)], asked: started.asked.length - before }
  }
  const second = MemberSet.of(MANY).rank(started.user)[1] as Member
  return { ...started, second, send }
}

t.test('however many messages there are for a user who is offline, one search goes on asking', async t => {
  const { send, changed } = startUnsettled()
  const one = await send(1)
  t.strictSame(one.outcomes, ['offline'])
  t.ok(one.asked <= 7 + 3 * 2 + 8, `${one.asked} questions for one message`)
  changed.at = performance.now() - 1000
  const first = await startUnsettled().send(40)
  t.strictSame(first.outcomes, ['offline'])
  // A search of their own each would ask 88 times for each; on a busy machine some ask twice.
  t.ok(first.asked <= 40 * 15, `${first.asked} questions for 40 messages`)
})

t.test(
  'a search in vain makes those that follow short; a change of the members, or a trace, makes them long again',
  async t => {
    const { send, changed, answers, second } = startUnsettled()
    await send(1)
    const again = await send(1)
    t.ok(again.asked <= 17, `${again.asked} questions`)
    changed.at = performance.now()
    const long = await send(1)
    t.ok(long.asked > again.asked, `${long.asked} questions`)
    answers.set(second.name, 'delivered')
    t.strictSame((await send(1)).outcomes, ['delivered'], 'whoever has come is found')
    t.strictSame((await send(20)).outcomes, ['delivered'])
  },
)

t.test('all messages that wait for a user arrive as soon as one of them has', async t => {
  const { seek, answers, owner, second: there, locationCache, user } = startUnsettled()
  const waiting = Array.from({ length: 10 }, () => seek(owner, 'offline', 3000))
  setTimeout(() => answers.set(there.name, 'delivered').set(owner.name, { member: there.name }), 120)
  t.strictSame([...new Set(await Promise.all(waiting))], ['delivered'])
  t.equal(locationCache.get(user), there.name)
})
