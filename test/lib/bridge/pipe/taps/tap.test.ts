import t from 'tap'
import { TAP } from '../../../../../lib/bridge/pipe/taps/tap.ts'

t.test('the three decisions of a tap are told apart by numbers', async t => {
  const decisions = Object.values(TAP)
  t.equal(new Set(decisions).size, 3)
  t.ok(decisions.every(Number.isInteger))
})
