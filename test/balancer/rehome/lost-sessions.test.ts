import t from 'tap'
import { isSessionLost, LostSessions } from '../../../balancer/rehome/lost-sessions.ts'

t.test('a rejection within a minute of a move is blamed on the move', async t => {
  for (const code of [1002, 1003, 1007, 1008, 1011, 4000, 4401, 4999])
    t.equal(isSessionLost(code, 1000, 61_000), true, `${code}`)
  for (const code of [1000, 1001, 1005, 1006, 1009, 1012, 1013, 3000, 5000])
    t.equal(isSessionLost(code, 1000, 1000), false, `${code}`)
  t.equal(isSessionLost(4401, 1000, 61_001), false, 'later it is not')
})

t.test('the third lost session is the last, until all members of that time are gone', async t => {
  const lost = new LostSessions()
  t.strictSame([lost.add(['a', 'b']), lost.add(['a', 'b']), lost.areTooMany], [false, false, false])
  t.equal(lost.add(['a', 'b']), true, 'the third')
  t.equal(lost.areTooMany, true)
  t.equal(lost.add(['c']), false, 'it is told once')
  t.equal(lost.membersChanged(['b', 'c']), false, 'an old member is there')
  t.equal(lost.areTooMany, true)
  t.equal(lost.membersChanged(['c', 'd']), true, 'all are new')
  t.equal(lost.areTooMany, false)
  t.equal(lost.membersChanged(['c', 'd']), false)
})

t.test('sessions lost in different versions of an app are not added up', async t => {
  const lost = new LostSessions()
  lost.add(['a'])
  lost.add(['a'])
  t.equal(lost.membersChanged(['b']), false, 'there was nothing to end')
  lost.add(['b'])
  t.equal(lost.areTooMany, false)
})
