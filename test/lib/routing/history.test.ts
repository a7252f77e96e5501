import t from 'tap'
import { MemberHistory } from '../../../lib/routing/history.ts'
import { parseMembers } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'

const set = (text: string) => MemberSet.of(parseMembers(text))
const names = (members: Iterable<{ name: string }>) => Array.from(members, ({ name }) => name)

/** A history on a clock that the test moves. */
function setUp(keepMs?: number) {
  let now = 5000
  const history = new MemberHistory({ now: () => now, ...(keepMs !== undefined && { keepMs }) })
  return {
    history,
    pass(ms: number) {
      now += ms
    },
  }
}

/** A key that these sets give to different owners, one after the other as they are named. */
function keyOwnedBy(...wanted: [MemberSet, string][]): string {
  for (let n = 0; n < 100_000; n++) {
    if (wanted.every(([members, name]) => members.owner(`user-${n}`)?.name === name)) return `user-${n}`
  }
  throw new Error('no such key')
}

t.test('nothing is known before the first record', async t => {
  const { history } = setUp()
  t.equal(history.changedWithin(60_000), false)
  t.strictSame(history.formerOwners('alice'), [])
  t.equal(history.settled(0), MemberSet.empty)
})

t.test('the first members are a change, and have no past', async t => {
  const { history, pass } = setUp()
  history.record(set('a:1,b:1'))
  t.equal(history.changedWithin(0), true)
  t.strictSame(history.formerOwners('alice'), [])
  pass(30_000)
  t.equal(history.changedWithin(30_000), true, 'just still')
  pass(1)
  t.equal(history.changedWithin(30_000), false)
  history.record(set('a:1'))
  t.equal(history.changedWithin(30_000), true)
})

t.test('a list is new while it is empty, and for a while after the first members', async t => {
  const { history, pass } = setUp()
  t.equal(history.isNew(30_000), true, 'before the first record')
  pass(60_000)
  t.equal(history.isNew(30_000), true, 'however long that takes')
  history.record(set('a:1'))
  pass(20_000)
  history.record(set('a:1,b:1'))
  t.equal(history.isNew(30_000), true)
  pass(10_001)
  t.equal(history.isNew(30_000), false, 'others that come do not make it new again')
  history.record(set(''))
  pass(60_000)
  t.equal(history.isNew(30_000), true, 'nobody is left')
  history.record(set('a:1'))
  t.equal(history.isNew(30_000), true)
})

t.test('former owners: newest first, each once, not who owns the key today', async t => {
  const { history, pass } = setUp()
  const [one, two, three, four] = [set('a:1'), set('b:1'), set('a:1,c:1'), set('c:1,d:1')] as const
  const key = keyOwnedBy([three, 'a:1'], [four, 'd:1'])
  for (const members of [one, two, three, four]) {
    history.record(members)
    pass(1000)
  }
  t.strictSame(names(history.formerOwners(key)), ['a:1', 'b:1'])
  const stayed = keyOwnedBy([three, 'c:1'], [four, 'c:1'])
  t.strictSame(names(history.formerOwners(stayed)), ['b:1', 'a:1'])
  history.record(two)
  t.strictSame(names(history.formerOwners(key)), ['d:1', 'a:1'], 'b owns it again')
})

t.test('a former owner is told with the address and weight that it had', async t => {
  const { history } = setUp()
  history.record(set('a:1=3'))
  history.record(set('b:1'))
  t.match(history.formerOwners('alice'), [{ name: 'a:1', host: 'a', port: 1, weight: 3 }])
})

t.test('a set counts for as long as it says after it was replaced, however long it was there', async t => {
  const { history, pass } = setUp(2000)
  history.record(set('a:1'))
  pass(3_600_000)
  history.record(set('b:1'))
  pass(2000)
  t.strictSame(names(history.formerOwners('alice')), ['a:1'], 'just still')
  pass(1)
  t.strictSame(history.formerOwners('alice'), [])
})

t.test('a minute is remembered, unless told otherwise', async t => {
  const { history, pass } = setUp()
  history.record(set('a:1'))
  history.record(set('b:1'))
  pass(60_000)
  t.strictSame(names(history.formerOwners('alice')), ['a:1'])
  pass(1)
  t.strictSame(history.formerOwners('alice'), [])
})

t.test('of members that change all the time only the last sixteen earlier sets are remembered', async t => {
  const { history } = setUp()
  for (let n = 1; n <= 40; n++) history.record(set(`a:${n}`))
  t.strictSame(
    names(history.formerOwners('alice')),
    Array.from({ length: 16 }, (_, i) => `a:${39 - i}`),
  )
})

t.test('settled: members of now that were there already, without those that have come or come back', async t => {
  const { history, pass } = setUp()
  history.record(set('a:1,b:1'))
  pass(20_000)
  const third = set('a:1,b:1=2,c:1')
  history.record(third)
  t.strictSame(names(history.settled(10_000).members), ['a:1', 'b:1'], 'another weight is no other member')
  t.equal(history.settled(10_000).get('b:1')?.weight, 2, 'as it is now')
  t.equal(history.settled(30_000), MemberSet.empty, 'nobody was there so long ago')
  pass(10_000)
  t.strictSame(names(history.settled(10_000).members), ['a:1', 'b:1'], 'c came just then')
  pass(1)
  t.equal(history.settled(10_000), third, 'no other set where all are settled')

  history.record(set('b:1,c:1'))
  history.record(set('a:1,b:1,c:1'))
  t.strictSame(names(history.settled(10_000).members), ['b:1', 'c:1'], 'a was away')
})

t.test('settled members have the owners that they would have alone', async t => {
  const { history, pass } = setUp()
  history.record(set('a:1,b:1=3'))
  pass(1000)
  history.record(set('a:1,b:1=3,c:1'))
  const alone = set('a:1,b:1=3')
  const settled = history.settled(500)
  for (let n = 0; n < 1000; n++) {
    if (settled.owner(`user-${n}`)?.name !== alone.owner(`user-${n}`)?.name) return t.fail(`user-${n}`)
  }
  t.pass('for each of 1000 users')
})

t.test('the real clock', async t => {
  const history = new MemberHistory()
  history.record(set('a:1'))
  t.equal(history.changedWithin(60_000), true)
})

t.test('a member by its name, as long as a list that had it is remembered', async t => {
  const { history, pass } = setUp(60_000)
  t.equal(history.get('a:1'), undefined)
  history.record(set('a:1,b:1'))
  history.record(set('b:1=2'))
  t.equal(history.get('b:1')?.weight, 2)
  pass(60_000)
  t.equal(history.get('a:1')?.name, 'a:1')
  pass(1)
  t.equal(history.get('a:1'), undefined)
})
