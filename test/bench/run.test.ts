import t from 'tap'
import { pairsOf } from '../../bench/cases/addressed.ts'
import { CASES } from '../../bench/cases/cases.ts'
import { PEERS } from '../../bench/peers/peers.ts'
import { stepsOf } from '../../bench/run.ts'
import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'

t.test('every case with every peer that fits, as often as asked for, in turns', async t => {
  const steps = stepsOf(CASES, PEERS, 3)
  const keys = steps.map(({ repetition, item, peer }) => `${repetition} ${item.name} ${peer.name}`)
  t.equal(new Set(keys).size, keys.length, 'nothing twice')
  t.equal(keys.filter(key => key.endsWith(' echo-1x128 nginx')).length, 3)
  t.notOk(keys.includes('0 idle direct'), 'no memory of nothing')
  t.notOk(keys.includes('0 addressed-1 nginx'), 'nginx has no pods')
  t.ok(keys.includes('0 addressed-1 pods'))
  const first = [0, 1, 2].map(repetition => steps.find(step => step.repetition === repetition)?.peer.name)
  t.equal(new Set(first).size, 3, 'another one begins each time')
  t.same(
    steps.map(({ repetition }) => repetition),
    steps.map(({ repetition }) => repetition).sort((a, b) => a - b),
  )
})

t.test('users who write to each other are on different pods', async t => {
  const ports = [4001, 4002]
  const members = MemberSet.of(ports.map(port => parseMember(`127.0.0.1:${port}`)))
  const clients = pairsOf(ports, 10)
  t.equal(new Set(clients.map(({ user }) => user)).size, 20)
  for (const [index, { user, port, to }] of clients.entries()) {
    t.equal(members.owner(user)?.port, port, 'connects to the pod that owns the user')
    t.not(clients[to!]?.port, port, 'writes to the other pod')
    t.equal(clients[to!]?.to, index, 'gets an answer')
  }
})
