import t from 'tap'
import { chat, startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { EXPOSED, startBalancer, startStack, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

const pods = [0, 1, 2]

t.test('two balancers that do not know of each other', async t => {
  const apps = await Promise.all(pods.map(() => startApp(t, { onConnection: chat })))
  const { balancer, members, sidecars, ownerOf } = await startStack(t, apps, EXPOSED)
  const second = await startBalancer(t, members, EXPOSED.balancer)
  await waitFor(async () => (await second.metric('members')) === pods.length, 'it knows all members')

  await t.test('send the same users to the same pods', async t => {
    for (const user of Array.from({ length: 30 }, (_, i) => `user-${i}`)) {
      const [one, two] = await Promise.all([connect(t, balancer.port, { user }), connect(t, second.port, { user })])
      const owner = sidecars[ownerOf(user)]?.name
      for (const { response } of [one, two]) t.equal(response.headers['x-ws-operator-upstream-host'], owner, user)
      t.not(
        one.response.headers['x-ws-operator-proxy-instance'],
        two.response.headers['x-ws-operator-proxy-instance'],
        'through different balancers',
      )
    }
  })

  await t.test('messages cross between their clients', async t => {
    for (const from of pods) {
      for (const to of pods) {
        const [sender, recipient] = [userOn(ownerOf, from, `from-${to}`), userOn(ownerOf, to, `to-${from}`)]
        const alice = await connect(t, balancer.port, { user: sender })
        const bob = await connect(t, second.port, { user: recipient })
        const there = JSON.stringify({ recipientId: recipient, text: 'hello' })
        const back = JSON.stringify({ recipientId: sender, text: 'hello yourself' })
        alice.send(there)
        await bob.received(1)
        bob.send(back)
        await alice.received(1)
        t.strictSame([bob.texts, alice.texts], [[there], [back]], `pod ${from} to pod ${to}`)
      }
    }
  })

  await t.test('agree again after a change of the members', async t => {
    await members.set(...sidecars.slice(0, 2).map(({ name }) => name))
    for (const program of [balancer, second]) {
      await waitFor(async () => (await program.metric('members')) === 2, 'it knows of the change')
    }
    for (const user of Array.from({ length: 10 }, (_, i) => `later-${i}`)) {
      const hosts = await Promise.all(
        [balancer, second].map(async ({ port }) => {
          const { response } = await connect(t, port, { user })
          return response.headers['x-ws-operator-upstream-host']
        }),
      )
      t.equal(hosts[0], hosts[1], user)
    }
  })
})
