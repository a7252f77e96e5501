import t from 'tap'
import { ownerOf, pickUsers, userOf } from '../../../local/scenario/users.ts'

const members = ['127.0.0.11:3000', '127.0.0.12:3000', '127.0.0.13:3000']

t.test('the first users are on different pods', async t => {
  const users = pickUsers(members, 3)
  t.equal(new Set(users.map(user => ownerOf(user, members))).size, 3)
  t.strictSame(pickUsers(members, 3), users, 'the same ones each time')
})

t.test('more users than pods, and no more than there are names', async t => {
  const users = pickUsers(members, 7)
  t.equal(new Set(users).size, 7)
  t.equal(pickUsers(members, 1000).length, new Set(pickUsers(members, 1000)).size)
})

t.test('a user for a certain pod', async t => {
  for (const member of members) t.equal(ownerOf(userOf(member, members), members), member)
  const many = Array.from({ length: 60 }, (_, n) => `10.0.0.${n}:3000`)
  for (const member of many) t.equal(ownerOf(userOf(member, many), many), member)
})

t.test('without members nobody has an owner', async t => {
  t.equal(ownerOf('Alice', []), undefined)
})
