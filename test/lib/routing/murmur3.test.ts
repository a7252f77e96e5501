import t from 'tap'
import { fmix32, murmur3 } from '../../../lib/routing/murmur3.ts'

const encoder = new TextEncoder()
const hash = (text: string, seed: number) => murmur3(encoder.encode(text), encoder.encode(text).length, seed)

t.test('it gives the values that are published for MurmurHash3_x86_32', async t => {
  t.equal(hash('', 0), 0)
  t.equal(hash('', 1), 0x514e28b7)
  t.equal(hash('', 0xffffffff), 0x81f16f39)
  t.equal(hash('\0\0\0\0', 0), 0x2362f9de)
  t.equal(hash('\0\0\0', 0), 0x85f0b427)
  t.equal(hash('\0', 0), 0x514e28b7)
  t.equal(hash('aaaa', 0x9747b28c), 0x5a97808a)
  t.equal(hash('aaa', 0x9747b28c), 0x283e0130)
  t.equal(hash('aa', 0x9747b28c), 0x5d211726)
  t.equal(hash('a', 0x9747b28c), 0x7fa09ea6)
  t.equal(hash('Hello, world!', 0x9747b28c), 0x24884cba)
  t.equal(hash('ππππππππ', 0x9747b28c), 0xd58063c1)
})

t.test('only the given length counts', async t => {
  const bytes = encoder.encode('abcdefgh')
  t.equal(murmur3(bytes, 5, 7), hash('abcde', 7))
})

t.test('the finalizer stays within unsigned 32 bits', async t => {
  t.equal(fmix32(0), 0)
  t.equal(fmix32(-1), 0x81f16f39)
  t.equal(fmix32(0xffffffff), 0x81f16f39)
})
