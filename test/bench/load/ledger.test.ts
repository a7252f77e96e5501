import fc from 'fast-check'
import t from 'tap'
import { noErrors } from '../../../bench/load/job.ts'
import { Ledger } from '../../../bench/load/ledger.ts'

function judge(arrivals: readonly number[], sent: number) {
  const errors = noErrors()
  const ledger = new Ledger(errors)
  for (const sequence of arrivals) ledger.arrived(sequence)
  ledger.close(sent)
  return errors
}

t.test('what can go wrong with messages', async t => {
  t.same(judge([0, 1, 2, 3], 4), noErrors())
  t.same(judge([0, 2, 3], 4), { ...noErrors(), lost: 1 })
  t.same(judge([0, 1], 4), { ...noErrors(), lost: 2 })
  t.same(judge([0, 1, 1, 2], 3), { ...noErrors(), doubled: 1 })
  t.same(judge([0, 2, 1, 3], 4), { ...noErrors(), reordered: 1 })
  t.same(judge([0, 3, 1, 1], 5), { ...noErrors(), lost: 2, reordered: 1, doubled: 1 })
})

t.test('every message is accounted for, in whatever order', async t => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 60 }), arrivals => {
      const { lost, doubled } = judge(arrivals, 31)
      const different = new Set(arrivals).size
      return lost === 31 - different && doubled === arrivals.length - different
    }),
  )
  t.pass('lost and doubled are exact')
})
