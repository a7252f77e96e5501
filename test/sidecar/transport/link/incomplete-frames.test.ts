import t from 'tap'
import { Allotment } from '../../../../lib/service/memory/allotment.ts'
import { IncompleteFrames } from '../../../../sidecar/transport/link/incomplete-frames.ts'

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

t.test('there may be less memory than that; one message finds room all the same', async t => {
  const memory = new Allotment(10_000)
  const frames = new IncompleteFrames(8000, 60_000, memory)
  t.ok(frames.change(8000))
  t.ok(frames.change(2000))
  t.notOk(frames.change(1))
  frames.change(-2001)
  frames.answers(3000)
  t.equal(memory.bytes, 11_000)
  t.ok(frames.change(0), 'of no more than one message')
  frames.answers(-3000)
  frames.change(-8000)
  t.equal(memory.bytes, 0)
})
