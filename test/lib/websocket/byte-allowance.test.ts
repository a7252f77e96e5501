import t from 'tap'
import { SharedByteAllowance } from '../../../lib/websocket/byte-allowance.ts'

t.test('one message may have half of what all others leave, and what is given back can be taken again', async t => {
  const room = new SharedByteAllowance(1000)
  t.equal(room.take(501, 0), false)
  t.equal(room.take(400, 0), true)
  t.equal(room.take(100, 400), true)
  t.equal(room.take(1, 500), false, 'with what it has')
  t.equal(room.take(250, 0), true, 'the next one has half of the rest')
  t.equal(room.take(1, 250), false)
  t.equal(room.bytes, 750)
  room.give(500)
  t.equal(room.take(125, 250), true)
  t.equal(room.bytes, 375)
})

t.test(
  'what is taken is counted with what is taken for other things, and refused where that leaves nothing',
  async t => {
    const account = { bytes: 0, left: 10 }
    const room = new SharedByteAllowance(100, {
      take(bytes) {
        if (bytes > account.left) return false
        account.bytes += bytes
        return true
      },
      give(bytes) {
        account.bytes -= bytes
      },
    })
    t.ok(room.take(10, 0))
    t.notOk(room.take(11, 0))
    t.strictSame([room.bytes, account.bytes], [10, 10])
    room.give(10)
    t.strictSame([room.bytes, account.bytes], [0, 0])
  },
)
