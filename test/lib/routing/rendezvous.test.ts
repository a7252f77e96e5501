import { deepEqual, equal } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createMember, type Member, parseMember, parseMembers } from '../../../lib/routing/members.ts'
import { murmur3 } from '../../../lib/routing/murmur3.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import vectors from './rendezvous.vectors.json' with { type: 'json' }

// A seed for every property: a test that can fail by chance teaches nobody anything.
const CHECK = { seed: 20_261_123, numRuns: 200 }

const names = (members: readonly Member[]) => members.map(({ name }) => name)
const pods = (count: number) => Array.from({ length: count }, (_, i) => createMember(`10.${i >> 8}.7.${i & 255}`, 3000))
const users = Array.from({ length: 100_000 }, (_, i) => `user-${i}`)

t.test('every published vector holds', async t => {
  for (const { name, members, cases } of vectors.sets) {
    const set = MemberSet.of(members.map(parseMember))
    for (const { key, owner, order } of cases) {
      const expected = order.map(index => parseMember(members[index] ?? '').name)
      t.equal(set.owner(key)?.name, owner, `${name}: owner of ${key.slice(0, 20)}`)
      t.strictSame(names(set.rank(key)), expected, `${name}: order for ${key.slice(0, 20)}`)
    }
  }
})

const python = spawnSync('python3', ['--version']).status === 0
t.test(
  'an independent implementation in Python agrees with the vectors',
  { skip: python ? false : 'python3 is not on the PATH' },
  async t => {
    const checker = join(import.meta.dirname, 'check_vectors.py')
    const { status, stdout } = spawnSync('python3', [checker], { encoding: 'utf8' })
    t.match(stdout, /^\d+ of \d+ vectors hold$/m)
    t.equal(status, 0, stdout)

    const wrong = structuredClone(vectors)
    wrong.sets[1]?.cases[0]?.order.reverse()
    const file = join(t.testdir({ 'wrong.json': JSON.stringify(wrong) }), 'wrong.json')
    const refused = spawnSync('python3', [checker, file], { encoding: 'utf8' })
    t.equal(refused.status, 1, 'and it sees one that is wrong')
    t.match(refused.stdout, /differs: three members/)
  },
)

t.test('a set knows its members, in the order of their names', async t => {
  const set = MemberSet.of(parseMembers('b:1,a:1=2'))
  t.equal(set.size, 2)
  t.strictSame(names(set.members), ['a:1', 'b:1'])
  t.equal(set.get('a:1')?.weight, 2)
  t.equal(set.get('c:1'), undefined)
  t.throws(() => MemberSet.of([createMember('a', 1), createMember('a', 1, 2)]), {
    message: 'member "a:1" occurs twice',
  })
  t.throws(() => (set.members as Member[]).pop(), TypeError, 'it cannot be changed')
})

/** Texts that were hashed during a call. */
function hashed(t: Test, action: () => void): string[] {
  const spy = t.capture(TextEncoder.prototype, 'encodeInto', TextEncoder.prototype.encodeInto)
  action()
  spy.restore()
  return spy().map(({ args }) => String(args[0]))
}

t.test('a change hashes the names of new members only', async t => {
  const before = MemberSet.of(pods(50))
  const newcomer = createMember('10.1.2.3', 3000)
  const heavier = createMember('10.0.7.9', 3000, 2)
  const changed = [
    newcomer,
    ...pods(50)
      .slice(5)
      .filter(({ name }) => name !== heavier.name),
    heavier,
  ]
  let after = MemberSet.empty
  t.strictSame(
    hashed(t, () => {
      after = MemberSet.of(changed, before)
    }),
    [newcomer.name],
  )
  const fresh = MemberSet.of(changed)
  for (const user of users.slice(0, 1000)) {
    deepEqual(names(after.rank(user)), names(fresh.rank(user)))
  }
  t.strictSame(
    hashed(t, () => MemberSet.of(pods(3), MemberSet.empty)),
    names(pods(3)),
    'without what was there before, all of them',
  )
})

t.test('an empty set has no owner of anything', async t => {
  t.equal(MemberSet.of([]), MemberSet.empty)
  t.equal(MemberSet.empty.owner('alice'), undefined)
  t.strictSame(MemberSet.empty.rank('alice'), [])
})

t.test('a key may be longer than the buffer for keys', async t => {
  const set = MemberSet.of(pods(10))
  for (const key of ['x'.repeat(682), 'x'.repeat(683), 'é'.repeat(100_000)]) {
    t.equal(set.owner(key), set.rank(key)[0])
  }
  t.not(set.owner(`${'x'.repeat(5000)}1`), set.owner(`${'x'.repeat(5000)}3`), 'and all of it counts')
})

const arbitraryKey = fc.string({ unit: 'binary', minLength: 0, maxLength: 40 })
const arbitraryMembers = (minLength: number) =>
  fc.uniqueArray(
    fc
      .record({ i: fc.nat(500), weight: fc.constantFrom(1, 1, 1, 0.5, 2, 7.25) })
      .map(({ i, weight }) => createMember(`10.0.${i >> 8}.${i & 255}`, 3000, weight)),
    { minLength, maxLength: 20, selector: ({ name }) => name },
  )

t.test('the order is a permutation that begins with the owner, and can be cut', async t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryMembers(1), arbitraryKey, fc.nat(25), (members, key, limit) => {
        const set = MemberSet.of(members)
        const order = set.rank(key)
        equal(order[0], set.owner(key))
        deepEqual(names(order).sort(), names(set.members))
        deepEqual(set.rank(key, limit), order.slice(0, limit))
      }),
      CHECK,
    ),
  )
})

t.test('many members, with equal weights and with others: the owner is the first of the order', async t => {
  for (const weightOf of [() => 1, (i: number) => 0.25 + (i % 7)]) {
    const set = MemberSet.of(pods(2000).map(({ host, port }, i) => createMember(host, port, weightOf(i))))
    for (const user of users.slice(0, 100)) equal(set.owner(user), set.rank(user)[0], user)
  }
  t.pass('for each of 100 users')
})

t.test('the beginning of the order is the same, however little of it is asked for', async t => {
  for (const weightOf of [() => 1, (i: number) => 0.25 + (i % 7)]) {
    const set = MemberSet.of(pods(300).map(({ host, port }, i) => createMember(host, port, weightOf(i))))
    for (const user of users.slice(0, 100)) {
      const order = names(set.rank(user))
      for (const limit of [-1, 0, 1, 2, 15, 16, 17, 299, 300, 301]) {
        deepEqual(names(set.rank(user, limit)), order.slice(0, Math.max(0, limit)), `${limit} for ${user}`)
      }
    }
  }
  t.pass('for each of 100 users')
})

t.test('between members whose high lanes are the same, the low lanes decide', async t => {
  const seen = new Map<number, Member>()
  let twins: Member[] = []
  for (let i = 0; twins.length === 0; i++) {
    const member = createMember(`pod-${i}`, 3000)
    const lane = murmur3(Buffer.from(member.name), member.name.length, 0x13198a2e)
    const other = seen.get(lane)
    if (other) twins = [other, member]
    seen.set(lane, member)
  }
  const set = MemberSet.of(twins)
  const owned = count(users.slice(0, 1000), user => {
    equal(set.owner(user), set.rank(user)[0], user)
    return set.owner(user)
  })
  for (const { name } of twins) t.ok((owned.get(name) ?? 0) > 400, `${name} owns ${owned.get(name)} of 1000`)
})

t.test('the order in which members are listed means nothing', async t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(
        arbitraryMembers(1).chain(members =>
          fc.tuple(fc.constant(members), fc.shuffledSubarray(members, { minLength: members.length })),
        ),
        arbitraryKey,
        ([members, shuffled], key) => {
          deepEqual(names(MemberSet.of(shuffled).rank(key)), names(MemberSet.of(members).rank(key)))
        },
      ),
      CHECK,
    ),
  )
})

t.test('a member that goes leaves the order of the others as it was', async t => {
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(arbitraryMembers(2), arbitraryKey, fc.nat(), (members, key, pick) => {
        const gone = members[pick % members.length]!
        const before = MemberSet.of(members).rank(key)
        const after = MemberSet.of(members.filter(member => member !== gone)).rank(key)
        // So its keys go to their second preference and no other key moves; read backwards, a member that comes only takes.
        deepEqual(
          names(after),
          names(before).filter(name => name !== gone.name),
        )
      }),
      CHECK,
    ),
  )
})

t.test('over many users: a member that goes moves its own, one that comes takes its share', async t => {
  const ten = MemberSet.of(pods(10))
  const eleven = MemberSet.of(pods(11))
  const newcomer = pods(11)[10]!
  let moved = 0
  let elsewhere = 0
  for (const user of users) {
    const before = ten.owner(user)
    const after = eleven.owner(user)
    if (before === undefined || after === undefined) return t.fail('nobody owns a user')
    if (before.name === after.name) continue
    moved++
    if (after.name !== newcomer.name) elsewhere++
    if (eleven.rank(user, 2)[1]?.name !== before.name) elsewhere++
  }
  t.equal(elsewhere, 0, 'users move only to the newcomer, and from the one who would have them without it')
  t.ok(Math.abs(moved - users.length / 11) < 4 * Math.sqrt(users.length / 11), `${moved} of ${users.length} moved`)
})

t.test('a weight that grows only takes users, one that shrinks only gives', async t => {
  const before = MemberSet.of(parseMembers('a:1,b:1=2,c:1=3'))
  const after = MemberSet.of(parseMembers('a:1=4,b:1=2,c:1=3'))
  const moved = users.slice(0, 10_000).filter(user => before.owner(user)?.name !== after.owner(user)?.name)
  t.ok(moved.length > 2000, `${moved.length} of 10000 moved`)
  t.strictSame(new Set(moved.map(user => after.owner(user)?.name)), new Set(['a:1']))
})

/** Pearson's χ² of how often each was seen against how often it should have been. */
function chiSquare(seen: Map<string, number>, share: Map<string, number>, total: number): number {
  let sum = 0
  for (const [name, part] of share) sum += ((seen.get(name) ?? 0) - part * total) ** 2 / (part * total)
  return sum
}

function count(keys: readonly string[], ownerOf: (key: string) => Member | undefined): Map<string, number> {
  const seen = new Map<string, number>()
  for (const key of keys) {
    const name = ownerOf(key)?.name ?? ''
    seen.set(name, (seen.get(name) ?? 0) + 1)
  }
  return seen
}

// 99.9 % quantiles of the χ² distribution with 2, 9 and 49 degrees of freedom.
for (const [size, bound] of [
  [3, 13.82],
  [10, 27.88],
  [50, 85.35],
] as const) {
  t.test(`users are spread evenly over ${size} members`, async t => {
    const set = MemberSet.of(pods(size))
    const share = new Map(set.members.map(({ name }) => [name, 1 / size]))
    const even = chiSquare(
      count(users, key => set.owner(key)),
      share,
      users.length,
    )
    t.ok(even < bound, `χ² ${even.toFixed(1)} < ${bound}`)

    const loser = set.members[0]!
    const orphans = users.filter(user => set.owner(user) === loser)
    const heirs = new Map(set.members.slice(1).map(({ name }) => [name, 1 / (size - 1)]))
    const inherited = chiSquare(
      count(orphans, key => set.rank(key, 2)[1]),
      heirs,
      orphans.length,
    )
    t.ok(inherited < bound, `and so are those of a member that goes: χ² ${inherited.toFixed(1)} < ${bound}`)
  })
}

t.test('keys that differ in little are spread evenly too', async t => {
  const set = MemberSet.of(pods(10))
  const share = new Map(set.members.map(({ name }) => [name, 0.1]))
  for (const [kind, keyOf] of Object.entries({
    numbers: (i: number) => String(i),
    'one character': (i: number) => String.fromCodePoint(0x1_0000 + i),
    'zero padded': (i: number) => i.toString().padStart(32, '0'),
    'a common end': (i: number) => `${i}@example.com`,
  })) {
    const keys = Array.from({ length: 50_000 }, (_, i) => keyOf(i))
    const spread = chiSquare(
      count(keys, key => set.owner(key)),
      share,
      keys.length,
    )
    t.ok(spread < 27.88, `${kind}: χ² ${spread.toFixed(1)}`)
  }
})

t.test('weights are shares', async t => {
  const set = MemberSet.of(parseMembers('a:1=0.5,b:1=1,c:1=2,d:1=4,e:1=12.5'))
  const share = new Map(set.members.map(({ name, weight }) => [name, weight / 20]))
  const seen = count(users, key => set.owner(key))
  // 99.9 % quantile with 4 degrees of freedom.
  const spread = chiSquare(seen, share, users.length)
  t.ok(spread < 18.47, `χ² ${spread.toFixed(1)}: ${[...seen].join(' ')}`)
})
