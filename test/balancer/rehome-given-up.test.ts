import t from 'tap'
import type { WebSocket } from 'ws'
import { type App, startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { startStack, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

const COUNT = 20

/** Longer than a balancer waits for a place between two messages. */
const GIVEN_UP_MS = 15_000

t.test(
  'a pod that was dialled for a client and is given up: no message is lost there, doubled or out of order',
  async t => {
    const sockets = new Map<string, WebSocket>()
    const remember = (socket: WebSocket, { headers }: { headers: object }) =>
      void sockets.set((headers as Record<string, string>)['ws-user-id'] ?? '', socket)
    const home = await startApp(t, { onConnection: remember })
    const away = await startApp(t, { onConnection: () => {} })
    const { balancer, members, sidecars, ownerOf } = await startStack(t, [home, away] as [App, App], {
      balancer: { REBALANCE_DELAY_SECONDS: 0 },
    })
    const names = sidecars.map(({ name }) => name)
    const all = [balancer, ...sidecars]
    const know = (count: number) => async () =>
      (await Promise.all(all.map(program => program.metric('members')))).every(known => known === count)
    await members.set(names[0] as string)
    await waitFor(know(1), 'all know one member')
    const bob = userOn(ownerOf, 1, 'bob')
    const ann = userOn(ownerOf, 0, 'ann')
    const theirs = await connect(t, balancer.port, { user: bob })
    const ours = await connect(t, balancer.port, { user: ann })
    // In the middle of a message there is no place to move it.
    sockets.get(bob)?.send('first part, ', { fin: false })
    await waitFor(async () => (await sidecars[0]?.metric('users')) === 2, 'both are there')

    await members.set(...names)
    await waitFor(async () => (await sidecars[0]?.metric('users')) === 1, 'the old pod has been told that it is moved')
    t.equal(away.handshakes[0]?.headers['ws-user-id'], bob)
    const texts = Array.from({ length: COUNT }, (_, n) => JSON.stringify({ recipientId: bob, n }))
    for (const text of texts) ours.send(text)
    await waitFor(async () => (await sidecars[0]?.metric('users')) === 2, 'it has been taken back', GIVEN_UP_MS)

    const delivered = async () =>
      (await Promise.all(sidecars.map(pod => pod.metric('messages_routed_total', { outcome: 'delivered' })))).join()
    await waitFor(async () => (await delivered()) === `${COUNT},0`, 'each has arrived')
    await waitFor(() => home.received.length + away.received.length >= COUNT, 'the apps have read them')
    t.strictSame(
      home.received.map(({ user, data }) => [user, String(data)]),
      texts.map(text => [ann, text]),
    )
    t.strictSame(away.received, [])

    sockets.get(bob)?.send('last part')
    await theirs.received(1)
    t.equal(theirs.texts[0], 'first part, last part')
    const moves = () => balancer.metric('rehomes_total', { reason: 'rebalance', result: 'moved' })
    await waitFor(async () => (await moves()) === 1, 'when it can be moved, it is', GIVEN_UP_MS)
    theirs.send('to the next pod')
    await waitFor(() => away.received.length === 1, 'it goes there')
    t.equal(theirs.socket.readyState, 1)
  },
)
