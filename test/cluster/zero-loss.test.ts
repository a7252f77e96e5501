import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { DOMAIN, ENABLE_LABEL } from '../../lib/service/names.ts'
import type { KubeObject } from './api.ts'
import { connect } from './cluster.ts'
import { Crowd, type Lost, type Wrongs } from './crowd.ts'
import { dump } from './dump.ts'
import { processesOf } from './kill-pod.ts'
import { kubectl } from './kubectl.ts'
import { allPodsOf, install, MANIFESTS, metric, podsOf, SYSTEM_NAMESPACE } from './operator.ts'
import { reach } from './reach.ts'
import { rolledOut } from './rollout.ts'
import { waitFor } from './wait.ts'

const USERS = 300
const PER_SECOND = 200
const ROLLOUTS = 5
/** Who writes to whom; what pods do in between is up to the cluster. */
const SEED = Number(process.env['CROWD_SEED'] || 1)
/** The sidecar's, as the example has it. */
const SIDECAR_PORT = 3000

/** Messages before a pod is killed, and after all is well again. */
const AROUND_A_KILL = 1000

/** What was written so long before a pod is killed, and so long after it until everybody knows, may be lost. */
const IN_FLIGHT_BEFORE_MS = 1500
const IN_FLIGHT_AFTER_MS = 3000

/** Names of the users that each pod owns. */
function owners(pods: readonly KubeObject[], users: readonly string[]): Map<KubeObject, Set<string>> {
  const byName = new Map(pods.map(pod => [`${pod['status'].podIP}:${SIDECAR_PORT}`, pod]))
  const set = MemberSet.of([...byName.keys()].map(parseMember))
  const owned = new Map(pods.map(pod => [pod, new Set<string>()]))
  for (const user of users) owned.get(byName.get(set.owner(user)?.name ?? '') as KubeObject)?.add(user)
  return owned
}

/**
 * Whether a message may be lost with a pod: it was in flight when the pod was killed, from one of the pod's users or to one, and
 * counted. A pod that is gone can tell nobody what became of the messages of its own users, and no receipt is sent of what one
 * writes to oneself; what it had delivered was in its app.
 */
function mayBeLost({ from, to, at, outcome }: Lost, killed: number, theirs: ReadonlySet<string>): boolean {
  const inFlight = at > killed - IN_FLIGHT_BEFORE_MS && at < killed + IN_FLIGHT_AFTER_MS
  if (outcome === 'none') return inFlight && theirs.has(from)
  if (outcome === 'delivered') return inFlight && theirs.has(to)
  return inFlight && (theirs.has(from) || theirs.has(to))
}

const say = (line: string) => console.error(line)

/** How often each word comes, in brackets; nothing where there is none. */
function tally(words: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return counts.size === 0 ? '' : ` (${[...counts].map(([word, count]) => `${count} ${word}`).join(', ')})`
}

t.test('users keep their sockets and their messages while pods come and go', async t => {
  const step = (name: string, body: (t: Test) => Promise<void>) =>
    t.test(name, { skip: t.passing() ? false : 'an earlier step failed' }, body)
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const { metacontroller } = await install(cluster, say)
  const namespace = await cluster.namespace()
  t.teardown(async () => {
    if (t.passing()) return
    say(await dump([namespace, SYSTEM_NAMESPACE]))
    say(`--- ${metacontroller.name}\n${await metacontroller.log()}`)
  })
  const chat = (...args: string[]) => kubectl([...args, '-n', namespace])
  const pods = () => podsOf(cluster, namespace, 'app=chat')
  const balancers = () => podsOf(cluster, namespace, 'app.kubernetes.io/instance=chat-balancer')
  const settled = () => rolledOut(cluster, namespace, 'chat')
  const scale = async (replicas: number) => {
    await chat('scale', 'deployment', 'chat', `--replicas=${replicas}`)
    await settled()
  }
  const count = async (name: string, label = '') => {
    const counts = (await balancers()).map(({ metadata }) => metric(namespace, metadata.name, name, label))
    return (await Promise.all(counts)).reduce((sum, one) => sum + one, 0)
  }

  const rebalanced = () => count('ws_operator_rehomes_total', 'reason="rebalance",result="moved"')
  const usersOn = ({ metadata }: KubeObject) => metric(namespace, metadata.name, 'ws_operator_users')
  const everybodyAtHome = async () => {
    const homes = [...owners(await pods(), crowd.users)]
    return (await Promise.all(homes.map(async ([pod, users]) => (await usersOn(pod)) === users.size))).every(Boolean)
  }

  await chat('apply', '-f', join(MANIFESTS, 'examples/chat.yaml'))
  await settled()
  // So that it is known of each message what became of it.
  await chat('annotate', 'deployment', 'chat', `${DOMAIN}/receipts=true`)
  await chat('label', 'deployment', 'chat', `${ENABLE_LABEL}=true`)
  await waitFor('the balancers run', async () => (await balancers()).length > 0)
  await settled()
  await rolledOut(cluster, namespace, 'chat-balancer')
  const address = await reach(cluster, namespace, 'chat-balancer')
  const crowd = await waitFor('the balancer takes users', () => Crowd.connect(address, USERS, SEED))
  say(`seed ${SEED} (CROWD_SEED)`)
  t.teardown(() => crowd.close())

  /** Runs something under traffic. */
  const during = async (what: string, action: () => Promise<void>): Promise<Wrongs> => {
    const start = Date.now()
    crowd.talk(PER_SECOND)
    await action()
    await waitFor('the pods that ended are gone', async () => {
      return (await allPodsOf(cluster, namespace, 'app=chat')).length === (await pods()).length
    })
    const wrongs = await crowd.wrongs()
    const moved = await count('ws_operator_rehomes_total', 'result="moved"')
    say(
      `${what}: ${Math.round((Date.now() - start) / 1000)} s, ${wrongs.sent} messages, ${moved} moves so far; ${wrongs.disconnects.length} disconnects, ${wrongs.lost.length} lost${tally(wrongs.lost.map(({ outcome }) => outcome))}, ${wrongs.doubled.length} doubled, ${wrongs.reordered.length} reordered`,
    )
    return wrongs
  }
  const nothingWrong = (t: Test, { sent, ...wrongs }: Wrongs) => {
    t.ok(sent > 0)
    t.strictSame(wrongs, { disconnects: [], lost: [], doubled: [], reordered: [] })
  }

  for (let n = 1; n <= ROLLOUTS; n++) {
    await step(`rolling restart, ${n} of ${ROLLOUTS}`, async t => {
      const wrongs = await during(`rolling restart ${n}`, async () => {
        await chat('rollout', 'restart', 'deployment', 'chat')
        await settled()
      })
      nothingWrong(t, wrongs)
      t.ok((await count('ws_operator_rehomes_total', 'result="moved"')) >= USERS * n, 'everybody was moved')
    })
  }

  await step('two pods, five, three', async t => {
    const wrongs = await during('scale to 2, 5, 3', async () => {
      await scale(2)
      const before = await rebalanced()
      await scale(5)
      await waitFor('users are on the new pods', async () => (await rebalanced()) > before)
      await waitFor('everybody is where they belong', everybodyAtHome)
      await scale(3)
    })
    nothingWrong(t, wrongs)
  })

  await step('one of four pods is killed', async t => {
    await scale(4)
    await waitFor('everybody is where they belong', everybodyAtHome)
    const [[victim, theirs]] = [...owners(await pods(), crowd.users)] as [[KubeObject, Set<string>]]
    t.ok(theirs.size > 0, `${theirs.size} users are on it`)
    if (processesOf(victim).length === 0) {
      t.comment('the node is not this machine: nothing can be killed there')
      return
    }
    let killed = 0
    const wrongs = await during('SIGKILL of a pod', async () => {
      await waitFor('they write', async () => crowd.sent >= AROUND_A_KILL)
      const before = await count('ws_operator_rehomes_total', 'reason="crash",result="moved"')
      killed = Date.now()
      for (const pid of processesOf(victim)) process.kill(pid, 'SIGKILL')
      await waitFor('its users are elsewhere', async () => {
        return (await count('ws_operator_rehomes_total', 'reason="crash",result="moved"')) > before
      })
      await settled()
      const now = crowd.sent
      await waitFor('they write on', async () => crowd.sent >= now + AROUND_A_KILL)
    })
    t.strictSame(wrongs.disconnects, [])
    t.strictSame(wrongs.doubled, [])
    t.strictSame(wrongs.reordered, [])
    t.strictSame(
      wrongs.lost.filter(one => !mayBeLost(one, killed, theirs)),
      [],
      `${wrongs.lost.length} of ${wrongs.sent} were lost, all of them in flight to the pod or from it`,
    )
  })
})
