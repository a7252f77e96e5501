import t from 'tap'
import { hash, type Pinnable, pin, renderedPart } from '../../hooks/revision.ts'

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
