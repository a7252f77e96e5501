import t from 'tap'
import { IncompleteFrames } from '../../../../lib/wire/transport/incomplete-frames.ts'

t.test('room for four of the largest messages, and for 16 MiB in any case', async t => {
  const large = new IncompleteFrames(10_000_000)
  t.ok(large.change(40_000_000))
  t.notOk(large.change(1))
  t.ok(large.change(-1))
  t.equal(large.bytes, 40_000_000)
  const small = new IncompleteFrames(1)
  t.ok(small.change(16_777_216))
  t.notOk(small.change(1))
})
