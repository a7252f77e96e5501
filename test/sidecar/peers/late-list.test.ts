import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { SENDER_HEADER } from '../../../lib/service/names.ts'
import { chat, startApp } from '../../helpers/app.ts'
import { connect } from '../../helpers/client.ts'
import { membersFile, startSidecar } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'
import { userOf } from '../pod.ts'

for (const TRANSPORT of ['link', 'http'])
  for (const DELIVER of ['sender', 'app', 'client'])
    t.test(
      `${TRANSPORT}, as ${DELIVER}: what a pod refuses whose list is late is asked again, and arrives once`,
      async t => {
        let late = true
        // Requests of sidecars come from an address that the pod does not know yet.
        const addressOf = ({ headers, socket }: IncomingMessage) =>
          late && headers[SENDER_HEADER] !== undefined ? '10.9.9.9' : String(socket.remoteAddress)
        const apps = await Promise.all([startApp(t, { onConnection: chat }), startApp(t, { onConnection: chat })])
        const lists = await Promise.all([membersFile(), membersFile()])
        const env = { TRANSPORT, DELIVER }
        const a = await startSidecar(t, apps[0].port, lists[0], env)
        const b = await startSidecar(t, apps[1].port, lists[1], env, addressOf)
        const user = userOf(b.name, a.name, b.name)
        const ann = await connect(t, a.port, { user: 'ann' })
        const bob = await connect(t, b.port, { user })
        // Nobody knows anybody when the first is written, and one knows the other when the second is.
        ann.send(JSON.stringify({ recipientId: user, n: 1 }))
        await lists[0].set(a.name, b.name)
        await waitFor(async () => (await a.metric('members')) === 2, 'one knows both')
        ann.send(JSON.stringify({ recipientId: user, n: 2 }))
        const refused = () => b.metric('peers_refused_total', { reason: 'unknown_peer' })
        await waitFor(async () => (await refused()) > 1, 'the other refuses it, again and again')
        late = false
        await lists[1].set(a.name, b.name)
        await waitFor(() => bob.texts.length === 2, 'both arrive', 20_000)
        t.strictSame(
          bob.texts.map(text => (JSON.parse(text) as { n: number }).n),
          [1, 2],
        )
        await waitFor(
          async () => (await a.metric('messages_routed_total', { outcome: 'delivered' })) === 2,
          'both have their outcome',
        )
      },
    )

t.test('a pod that is told to end waits for what its clients have sent last, though they have gone', async t => {
  let late = true
  const addressOf = ({ headers, socket }: IncomingMessage) =>
    late && headers[SENDER_HEADER] !== undefined ? '10.9.9.9' : String(socket.remoteAddress)
  const apps = await Promise.all([startApp(t, { onConnection: chat }), startApp(t, { onConnection: chat })])
  const list = await membersFile()
  const a = await startSidecar(t, apps[0].port, list)
  const b = await startSidecar(t, apps[1].port, list, {}, addressOf)
  await list.set(a.name, b.name)
  for (const pod of [a, b]) await waitFor(async () => (await pod.metric('members')) === 2, 'the members are known')
  const user = userOf(b.name, a.name, b.name)
  const bob = await connect(t, b.port, { user })
  const ann = await connect(t, a.port, { user: 'ann' })
  ann.send(JSON.stringify({ recipientId: user }))
  const refused = () => b.metric('peers_refused_total', { reason: 'unknown_peer' })
  await waitFor(async () => (await refused()) > 0, 'it is refused')
  ann.socket.close()
  await waitFor(async () => (await a.metric('users')) === 0, 'the sender has gone')
  const ended = a.service.handOver?.(Date.now() + 20_000)
  const before = await refused()
  await waitFor(async () => (await refused()) > before, 'it is sent again all the same')
  late = false
  await ended
  t.equal(await a.metric('messages_routed_total', { outcome: 'delivered' }), 1)
  await waitFor(() => bob.texts.length === 1, 'it has arrived')
})

for (const TRANSPORT of ['link', 'http'])
  t.test(
    `${TRANSPORT}: a pod whose list is late takes a new pod's messages at once where the cluster confirms it`,
    async t => {
      const asked: string[] = []
      const apps = await Promise.all([startApp(t, { onConnection: chat }), startApp(t, { onConnection: chat })])
      const list = await membersFile()
      const a = await startSidecar(t, apps[0].port, list, { TRANSPORT })
      await list.set(a.name)
      // Not loopback, which is always believed; the new pod is asked about by the address that its name has.
      const stranger = ({ headers, socket }: IncomingMessage) =>
        headers[SENDER_HEADER] === undefined ? String(socket.remoteAddress) : '10.9.9.9'
      const b = await startSidecar(t, apps[1].port, await membersFile(), { TRANSPORT }, stranger, async host => {
        asked.push(host)
        return host === '10.9.9.9'
      })
      const post = (member: string) =>
        fetch(`http://127.0.0.1:${b.port}/message`, {
          method: 'POST',
          body: '\u0001hi',
          headers: {
            'ws-user-id': 'bob',
            'x-ws-operator-sender': 'me',
            'x-ws-operator-member': member,
            'x-ws-operator-message-id': '1',
            'x-ws-operator-lane': '1',
            'x-ws-operator-deliver': 'client',
          },
        })
      const bob = await connect(t, b.port, { user: 'bob' })
      t.equal((await post('10.9.9.8:3000')).status, 503, 'not under the name of another address')
      t.strictSame(asked, [])
      t.equal((await post('10.9.9.9:3000')).status, 204)
      t.strictSame(asked, ['10.9.9.9'])
      t.equal((await post('10.9.9.9:3000')).status, 204, 'and from then on without asking')
      t.strictSame(asked, ['10.9.9.9'])
      await bob.received(2)
    },
  )
