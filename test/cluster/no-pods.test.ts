import { once } from 'node:events'
import { request } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { CLIENT_REQUEST_HEADER, DOMAIN, ENABLE_LABEL, ERROR_HEADER, TARGET_HEADER } from '../../lib/service/names.ts'
import { connectApart, connectUser } from './clients.ts'
import { type Cluster, connect } from './cluster.ts'
import { dump } from './dump.ts'
import { kubectl } from './kubectl.ts'
import { install, MANIFESTS, metric, podsOf, SYSTEM_NAMESPACE } from './operator.ts'
import { leadsToOnePod, reach } from './reach.ts'
import { rolledOut } from './rollout.ts'
import { waitFor } from './wait.ts'

const say = (line: string) => console.error(line)
/** Between a handshake that was refused and the next one. */
const AGAIN_MS = 100

/** What a handshake is answered that is refused. @param address host:port */
function refusal(address: string, headers: Record<string, string> = {}) {
  const [hostname, port] = address.split(':')
  return new Promise<{ status: number | undefined; headers: object }>((resolve, reject) => {
    const upgrade = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.alloc(16).toString('base64'),
    }
    const call = request({ hostname, port, path: '/?user=eve', agent: false, headers: { ...upgrade, ...headers } })
    call.on('response', response => {
      response.resume()
      resolve({ status: response.statusCode, headers: response.headers })
    })
    call.on('upgrade', () => reject(new Error('the handshake was accepted')))
    call.on('error', reject).setTimeout(10_000, () => call.destroy(new Error('no answer')))
    call.end()
  })
}

/** What happened to clients that connect again whenever they are closed. */
interface Returning {
  /** Close codes, by client. */
  readonly closes: readonly number[][]
  /** Why handshakes failed. */
  readonly refusals: readonly string[]
  allOpen(): boolean
}

async function startReturning(t: Test, address: string, count: number): Promise<Returning> {
  const closes: number[][] = Array.from({ length: count }, () => [])
  const refusals: string[] = []
  const sockets = new Map<number, WebSocket>()
  let ended = false
  const open = async (n: number): Promise<void> => {
    const socket = new WebSocket(`ws://${address}/?user=user-${n}`, { handshakeTimeout: 10_000 })
    sockets.set(n, socket)
    try {
      await once(socket, 'open')
    } catch (error) {
      socket.on('error', () => {})
      refusals.push((error as Error).message)
      if (!ended) setTimeout(() => void open(n), AGAIN_MS)
      return
    }
    socket.on('error', () => {})
    socket.once('close', code => {
      if (ended) return
      closes[n]?.push(code)
      void open(n)
    })
  }
  await Promise.all(closes.map((_, n) => open(n)))
  t.teardown(() => {
    ended = true
    for (const socket of sockets.values()) socket.terminate()
  })
  return {
    closes,
    refusals,
    allOpen: () => [...sockets.values()].every(({ readyState }) => readyState === WebSocket.OPEN),
  }
}

/** Takes the cluster's DNS away, and brings it back in the end. */
async function scaleDns(cluster: Cluster): Promise<(replicas: number) => Promise<unknown>> {
  const kube = (...args: string[]) => kubectl([...args, '-n', 'kube-system'])
  const before = Number(await kube('get', 'deployment', 'coredns', '-o', 'jsonpath={.spec.replicas}'))
  const scale = (replicas: number) => kube('scale', 'deployment', 'coredns', `--replicas=${replicas}`)
  cluster.undo(() => scale(before))
  return async replicas => {
    await scale(replicas)
    await waitFor(`CoreDNS has ${replicas} pods`, async () => {
      return (await podsOf(cluster, 'kube-system', 'k8s-app=kube-dns')).length === replicas
    })
  }
}

t.test('an app without pods, and pods that do not know each other', async t => {
  const step = (name: string, body: (t: Test) => Promise<void>) =>
    t.test(name, { skip: t.passing() ? false : 'an earlier step failed' }, body)
  const cluster = await connect()
  t.teardown(() => cluster.close())
  await install(cluster, say)
  const [namespace, other] = [await cluster.namespace(), await cluster.namespace()]
  t.teardown(async () => {
    if (!t.passing()) say(await dump([namespace, other, SYSTEM_NAMESPACE]))
  })
  const kube = (...args: string[]) => kubectl([...args, '-n', namespace])
  const start = async (where: string) => {
    await kubectl(['apply', '-n', where, '-f', join(MANIFESTS, 'examples/chat.yaml')])
    // With the topology its users know on which member they are.
    const annotations = [`${DOMAIN}/balancer-replicas=2`, `${DOMAIN}/expose-topology=true`]
    await kubectl(['annotate', '-n', where, 'deployment', 'chat', ...annotations])
    await kubectl(['label', '-n', where, 'deployment', 'chat', `${ENABLE_LABEL}=true`])
    const balancer = await waitFor('its balancer is there', () => reach(cluster, where, 'chat-balancer'))
    await rolledOut(cluster, where, 'chat')
    await rolledOut(cluster, where, 'chat-balancer')
    return balancer
  }
  const [address] = await Promise.all([start(namespace), start(other)])
  const balancers = () => podsOf(cluster, namespace, 'app.kubernetes.io/instance=chat-balancer')
  const members = async () =>
    Promise.all((await balancers()).map(({ metadata }) => metric(namespace, metadata.name, 'ws_operator_members')))

  await step('scaled to zero: no address is kept, and handshakes are told to come again at once', async t => {
    const user = await connectUser(address, 'ann')
    await kube('scale', 'deployment', 'chat', '--replicas=0')
    await waitFor('no balancer knows a member', async () => (await members()).every(count => count === 0))
    t.match(await refusal(address), {
      status: 503,
      headers: { 'retry-after': '1', [ERROR_HEADER]: 'WSO_ERR_NO_OWNER' },
    })
    t.ok(
      (await balancers()).every(({ status }) => status.containerStatuses[0].ready),
      'the balancers stay ready',
    )
    await user.close()
  })

  await step('a pod of another app refuses what is meant for this one', async t => {
    const [pod] = await podsOf(cluster, other, 'app=chat')
    const headers = { [CLIENT_REQUEST_HEADER]: 'true', [TARGET_HEADER]: `${namespace}/chat`, cookie: 'sid=1' }
    t.match(await refusal(`${pod?.['status'].podIP}:3000`, headers), {
      status: 503,
      headers: { [ERROR_HEADER]: 'WSO_ERR_WRONG_TARGET' },
    })
  })

  await step('scaled up again, clients and messages find the pods', async () => {
    await kube('scale', 'deployment', 'chat', '--replicas=2')
    await rolledOut(cluster, namespace, 'chat')
    await waitFor('the balancers know both', async () => (await members()).every(count => count === 2))
    const [ann, bob] = await connectApart(address)
    ann.send({ recipientId: bob.name, text: 'hello' })
    await waitFor('the message crosses pods', async () => bob.received.length > 0, 40_000)
    await Promise.all([ann.close(), bob.close()])
  })

  await step('a rollout without DNS: no pod gets ready that knows no other, and nobody is lost', async t => {
    const scale = await scaleDns(cluster)
    await scale(0)
    await kube('rollout', 'restart', 'deployment', 'chat')
    // Of an answer with status 503, `kubectl get --raw` shows no body.
    const ask = 'fetch("http://127.0.0.1:9090/readyz").then(answer => answer.text()).then(console.log)'
    const readyz = (pod: string) =>
      kubectl(['exec', '-n', namespace, pod, '-c', 'chat', '--', 'node', '-e', ask]).catch(String)
    await waitFor(
      'a new pod says why it is not ready',
      async () => {
        const pods = await podsOf(cluster, namespace, 'app=chat')
        const said = await Promise.all(pods.map(({ metadata }) => readyz(metadata.name)))
        return said.some(text => text.includes('the other pods are not known yet'))
      },
      120_000,
    )
    const [ann, bob] = await connectApart(address)
    for (let n = 0; n < 50; n++) ann.send({ recipientId: bob.name, text: String(n) })
    await waitFor('all messages arrive', async () => bob.received.length === 50, 20_000)
    await Promise.all([ann.close(), bob.close()])
    await scale(1)
    await rolledOut(cluster, namespace, 'chat')
    t.pass('with DNS the rollout goes on')
  })

  const skip = leadsToOnePod(address) ? 'this machine cannot connect to Services, only to one pod of them' : false
  await t.test('a rollout of balancers cuts each client once, and new ones take it at once', { skip }, async t => {
    const clients = await startReturning(t, address, 40)
    await kube('rollout', 'restart', 'deployment', 'chat-balancer')
    await rolledOut(cluster, namespace, 'chat-balancer')
    await waitFor('all were cut', async () => clients.closes.every(codes => codes.length > 0))
    await waitFor('all are connected again', async () => clients.allOpen())
    t.strictSame([...new Set(clients.closes.map(String))], ['1012'], 'closed once, with 1012')
    t.strictSame(clients.refusals, [])
  })
})
