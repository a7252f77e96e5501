import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import t, { type Test } from 'tap'
import { AddressBlock } from '../../../local/pods/addresses.ts'
import { LocalDeployment } from '../../../local/pods/deployment.ts'
import type { Pod } from '../../../local/pods/pod.ts'
import { waitFor } from '../../helpers/wait.ts'

// Each pod is a process, on machines that are busy.
t.setTimeout(120_000)

const PORT = 3001
const SLOW_MS = 60_000

/** The example app without a sidecar. */
const deployment = (image = 'ws-operator-example-chat'): Deployment => {
  const probe = { httpGet: { path: '/healthz', port: PORT }, periodSeconds: 1 }
  const ports = [{ name: 'http', containerPort: PORT }]
  const env = [{ name: 'PORT', value: String(PORT) }]
  return {
    metadata: { name: 'chat', namespace: 'shop' },
    spec: {
      selector: {},
      template: { spec: { containers: [{ name: 'app', image, env, ports, readinessProbe: probe }] } },
    },
  }
}

/** It, with what it tells: the states of its pods in order, and how often one was forgotten. */
async function start(t: Test) {
  const block = await AddressBlock.reserve()
  const states: [string, string][] = []
  /** The most pods that were ready or starting at a time, and the fewest that were ready. */
  const ready: number[] = []
  let forgotten = 0
  const made = new LocalDeployment(deployment(), {
    block,
    membersFile: '',
    forgotten: () => forgotten++,
    report: line => t.comment(line),
    changed: pod => {
      states.push([pod.name, pod.state])
      ready.push(made.ready.length)
    },
    line: () => {},
    hookLine: () => {},
  })
  t.teardown(async () => {
    await made.stop()
    block.release()
  })
  return { made, states, ready, forgotten: () => forgotten }
}

const names = (pods: readonly Pod[]) => pods.map(({ name }) => name)

t.test('it scales up and down: as many pods are ready, each with a name and an address of its own', async t => {
  const { made, forgotten } = await start(t)
  await made.scale(3)
  t.equal(made.replicas, 3)
  t.equal(made.ready.length, 3)
  for (const { name, facts } of made.ready) {
    t.match(name, /^chat-[bcdfghjklmnpqrstvwxz2-9]{5}$/)
    t.equal(facts.namespace, 'shop')
    t.equal(made.find(name)?.name, name)
  }
  t.equal(new Set(made.ready.map(({ facts }) => facts.ip)).size, 3)
  const [oldest, ...younger] = made.ready
  await made.scale(1)
  await Promise.all(younger.map(({ gone }) => gone))
  t.strictSame(names(made.ready), [oldest?.name], 'the youngest went')
  t.equal(made.pods.length, 3, 'those that went a moment ago are still shown')
  await waitFor(() => made.pods.length === 1, 'they are forgotten', SLOW_MS)
  t.equal(forgotten(), 2)
})

t.test('a pod that is killed is replaced', async t => {
  const { made, states } = await start(t)
  await made.scale(2)
  const [victim, other] = names(made.ready)
  await made.kill(victim!)
  await waitFor(() => made.ready.length === 2, 'another pod is ready', SLOW_MS)
  t.notOk(names(made.ready).includes(victim!))
  t.ok(names(made.ready).includes(other!))
  t.strictSame(
    states.filter(([name]) => name === victim).map(([, state]) => state),
    ['starting', 'ready', 'gone'],
  )
  await t.rejects(made.kill(victim!), { message: `no pod ${victim} runs` })
  await t.rejects(made.kill('nobody'), { message: 'no pod nobody runs' })
})

t.test('a restart replaces each pod, and never has fewer ready ones; nothing else is changed meanwhile', async t => {
  const { made, ready } = await start(t)
  await made.scale(2)
  const before = names(made.ready)
  ready.length = 0
  const restarted = made.restart()
  t.match(made.busy, /all pods are being restarted/)
  await t.rejects(made.scale(5), /all pods are being restarted/)
  await t.rejects(made.restart(), /all pods are being restarted/)
  await restarted
  t.equal(made.busy, undefined)
  t.equal(made.replicas, 2)
  t.equal(made.ready.length, 2)
  t.strictSame(
    names(made.ready).filter(name => before.includes(name)),
    [],
  )
  t.equal(Math.min(...ready), 2, 'one more first')
})

t.test('a program that ends by itself is replaced, and why is told', async t => {
  const { made } = await start(t)
  await made.scale(1)
  const [first] = made.ready
  process.kill(first!.pids[0]!, 'SIGKILL')
  await first!.gone
  t.match(first!.problem, /container app ended with/)
  await waitFor(() => made.ready.length === 1, 'another pod is ready', SLOW_MS)
  t.not(made.ready[0], first)
})

t.test('after its end nothing runs, and nothing is made any more', async t => {
  const { made } = await start(t)
  await made.scale(2)
  const { pods } = made
  await made.stop()
  t.ok(pods.every(({ state, pids }) => state === 'gone' && pids.length === 0))
  t.strictSame(made.ready, [])
  await made.scale(3)
  t.strictSame(
    made.pods.filter(({ state }) => state !== 'gone'),
    [],
  )
})

t.test('what has no pod template is refused', async t => {
  t.throws(() => new LocalDeployment({ metadata: { name: 'x' } }, {} as never), /the Deployment has no pod template/)
})
