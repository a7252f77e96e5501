import t from 'tap'
import { membersAt } from '../../../../lib/routing/discovery/endpoints.ts'

const names = (...endpoints: [address: string, port: number][]) =>
  membersAt(endpoints.map(([address, port]) => ({ address, port }))).map(({ name }) => name)

t.test('each endpoint is a member once, in the order given', async t => {
  t.strictSame(names(), [])
  t.strictSame(names(['10.0.0.2', 3000], ['10.0.0.1', 3000], ['10.0.0.2', 3000]), ['10.0.0.2:3000', '10.0.0.1:3000'])
  t.strictSame(names(['10.0.0.1', 3000], ['10.0.0.1', 3001]), ['10.0.0.1:3000', '10.0.0.1:3001'], 'a port tells apart')
})

t.test('IPv6 counts only where no endpoint has IPv4', async t => {
  t.strictSame(names(['fd00::1', 3000], ['10.0.0.1', 3000], ['fd00::2', 3000]), ['10.0.0.1:3000'])
  t.strictSame(names(['fd00::1', 3000], ['fd00::2', 3000]), ['[fd00::1]:3000', '[fd00::2]:3000'])
})

t.test('two spellings of an IPv6 address are one member', async t => {
  t.strictSame(names(['fd00::1', 3000], ['FD00:0:0:0:0:0:0:1', 3000]), ['[fd00::1]:3000'])
})

t.test('an address that is none is an error that quotes it', async t => {
  t.throws(() => names(['10.0.0.300', 3000]), { message: /"10.0.0.300"/ })
})
