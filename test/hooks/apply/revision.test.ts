import t from 'tap'
import { hash, type Pinnable, pin, renderedPart } from '../../../hooks/apply/revision.ts'

const A = { image: 'a' }
const B = { image: 'b' }
const inputs = { template: 1 }
const by = (version: string, given: Partial<Pinnable>): Pinnable => ({
  recorded: undefined,
  today: version === 'A' ? A : B,
  applied: undefined,
  inputs,
  upgrade: false,
  version,
  ...given,
})
const first = pin(by('A', {}))

t.test('what is not there yet is taken, and what it will look like is written down', async t => {
  t.equal(first.kept, false)
  t.strictSame(pin(by('A', { recorded: first.revision, applied: A })), first, 'and does not change when it is there')
  t.equal(pin(by('B', { recorded: first.revision })).kept, false, 'also where it has been there before')
})

t.test('another version leaves what is there, until somebody else changes something', async t => {
  const { revision: recorded } = first
  t.strictSame(pin(by('B', { recorded, applied: A })), { kept: true, revision: recorded })
  const taken = { kept: false, revision: pin(by('B', {})).revision }
  t.strictSame(pin(by('B', { recorded, applied: A, upgrade: true })), taken)
  t.strictSame(pin(by('B', { recorded, applied: { image: 'other' } })), taken)
  t.match(pin(by('B', { recorded, applied: A, inputs: { template: 2 } })), { kept: false, revision: /^B-/ })
  t.strictSame(pin(by('A', { recorded: taken.revision, applied: B })), { kept: true, revision: taken.revision })
})

t.test('a version that would apply the same writes nothing down anew', async t => {
  t.strictSame(pin(by('B', { today: A, recorded: first.revision, applied: A })), first)
})

t.test('what an admission policy made of it is what is seen, and stays', async t => {
  const applied = { image: 'mirror/a' }
  const { revision: recorded, kept } = pin(by('A', { recorded: first.revision, applied }))
  t.equal(kept, false)
  t.not(recorded, first.revision)
  t.strictSame(pin(by('A', { recorded, applied })), { kept: false, revision: recorded }, 'written down once')
  t.strictSame(pin(by('B', { recorded, applied })), { kept: true, revision: recorded })
})

t.test('without a revision, or with one that cannot be read, what is there stays', async t => {
  for (const recorded of [undefined, '', 'nonsense', 'A-12-34', `A-${'0'.repeat(10)}-${'0'.repeat(64)}`]) {
    const found = pin(by('B', { recorded, applied: A }))
    t.match(found, { kept: true, revision: /^unknown-/ })
    t.strictSame(pin(by('B', { recorded: found.revision, applied: A })), found, 'and stays')
    t.strictSame(pin(by('A', { recorded, applied: A })), first, 'it is ours after all')
  }
})

/** Every way out of pin(), by what leads there: version B renders `today`, version A has made what is there. */
const EXITS: Readonly<Record<string, readonly [given: Partial<Pinnable>, kept: boolean, version: string]>> = {
  'nothing there is on record as ours: today’s is applied': [{ recorded: first.revision }, false, 'B'],
  'the same is rendered, and nobody has changed anything: it keeps its version': [{ today: A, applied: A }, false, 'A'],
  'the same is rendered, and an upgrade is asked for: it gets this version': [
    { today: A, applied: A, upgrade: true },
    false,
    'B',
  ],
  'the same is rendered, and the user has changed something: it gets this version': [
    { today: A, applied: A, inputs: { template: 2 } },
    false,
    'B',
  ],
  'the same is rendered, and somebody has changed what was applied: it is repaired, and gets this version': [
    { today: A, applied: { image: 'other' } },
    false,
    'B',
  ],
  'an upgrade is asked for: today’s is applied': [{ applied: A, upgrade: true }, false, 'B'],
  'no revision, and what is there is what would be rendered: it is ours after all': [
    { recorded: undefined, applied: B },
    false,
    'B',
  ],
  'no revision, and something else is there: it stays, of an unknown version': [
    { recorded: undefined, applied: A },
    true,
    'unknown',
  ],
  'only ws-operator has changed: what is there stays': [{ applied: A }, true, 'A'],
  'somebody has changed something: today’s is applied': [{ applied: A, inputs: { template: 2 } }, false, 'B'],
}

for (const [name, [given, kept, version]] of Object.entries(EXITS)) {
  t.test(name, async t => {
    const request = by('B', { recorded: first.revision, ...given })
    const answer = pin(request)
    t.match(answer, { kept, revision: new RegExp(`^${version}-`) })
    if (kept) return t.strictSame(pin({ ...request, recorded: answer.revision }), answer, 'and stays')
    // What is applied is seen, and written down.
    const seen = pin({ ...request, applied: request.today, recorded: answer.revision })
    t.strictSame(pin({ ...request, applied: request.today, recorded: seen.revision }), seen, 'and then nothing changes')
    t.equal(renderedPart(seen.revision), renderedPart(answer.revision), 'the balancer is told once')
  })
}

t.test('hashes do not depend on the order of keys and variables, or on nulls', async t => {
  const one = { a: 1, b: { env: [{ name: 'x', value: '1' }, { name: 'y' }] }, c: null, d: undefined }
  const two = { b: { env: [{ name: 'y' }, { value: '1', name: 'x' }] }, a: 1 }
  t.equal(hash(one), hash(two))
  for (const other of [{ ...two, a: 2 }, { ...two, args: ['a', 'b'] }, [two], {}, undefined])
    t.not(hash(other), hash(one))
  t.not(hash({ args: ['a', 'b'] }), hash({ args: ['b', 'a'] }), 'other lists have an order')
  let deep: unknown = 1
  for (let i = 0; i < 50_000; i++) deep = [deep]
  t.match(hash(deep), /^[0-9a-f]{10}$/)
})

t.test('a hash is the same in every version: another one would roll everybody', async t => {
  const sidecar = { name: 'x', env: [{ name: 'B', value: '1' }, { name: 'A' }], args: ['b', 'a'], n: null, on: true }
  t.equal(hash(sidecar), '4377797ca0')
  t.equal(renderedPart('0.1.0-rc.1-0123456789-abcdef0123'), '0.1.0-rc.1-0123456789')
})
