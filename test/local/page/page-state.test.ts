import t from 'tap'
import type { Demo } from '../../../local/demo.ts'
import { MAX_PODS, MIN_PODS, pageState } from '../../../local/page/page-state.ts'
import { ownerOf } from '../../../local/scenario/users.ts'

const POD = (name: string, ip: string, state = 'ready') => ({ name, facts: { ip }, state, member: `${ip}:3000` })
const ONE = POD('chat-one', '127.0.0.11')
const TWO = POD('chat-two', '127.0.0.12')

/** What a page reads of a demo: one pod, nobody connected, no balancer yet. */
function demo({
  chat = {},
  ...more
}: { chat?: object; users?: Record<string, string[]> } & Record<string, unknown> = {}) {
  const { users = {}, ...rest } = more
  const pods = ((chat as { pods?: (typeof ONE)[] }).pods ?? [ONE]) as (typeof ONE)[]
  return {
    chat: { pods, busy: undefined, replicas: 3, ...chat },
    balancer: undefined,
    url: 'ws://127.0.0.1:8080',
    members: pods.map(({ member }) => member),
    traffic: { usersOn: (pod: string) => (users as Record<string, string[]>)[pod] ?? [], counters: { delivered: 4 } },
    podOf: (member: string) => pods.find(pod => pod.member === member),
    ...rest,
  } as unknown as Demo
}

t.test('pods, chatters and counters are told as they are', async t => {
  const going = POD('chat-two', '127.0.0.12', 'terminating')
  t.match(pageState(demo({ chat: { pods: [ONE, going] } }), ['Alice']), {
    pods: [
      { name: 'chat-one', ip: '127.0.0.11', state: 'ready' },
      { name: 'chat-two', ip: '127.0.0.12', state: 'terminating' },
    ],
    balancer: undefined,
    chatters: ['Alice'],
    counters: { delivered: 4 },
  })
})

t.test('the counters are a copy: a state that was sent does not change', async t => {
  const running = demo()
  const state = pageState(running, [])
  Object.assign(running.traffic.counters, { delivered: 5 })
  t.match(state.counters, { delivered: 4 })
})

t.test('the balancer is its newest pod, with the address for clients', async t => {
  const { balancer } = pageState(demo({ balancer: { pods: [POD('old', 'x', 'gone'), POD('new', 'y')] } }), [])
  t.strictSame(balancer, { name: 'new', state: 'ready', url: 'ws://127.0.0.1:8080' })
})

t.test('a user is told with the pod that it is on and the pod that owns it', async t => {
  const pods = [ONE, TWO]
  const { users } = pageState(demo({ chat: { pods }, users: { 'chat-one': ['Alice', 'Bob', 'Carol', 'Dave'] } }), [])
  const owners = ['Alice', 'Bob', 'Carol', 'Dave'].map(name => {
    const member = ownerOf(
      name,
      pods.map(pod => pod.member),
    )
    return { name, pod: 'chat-one', owner: pods.find(pod => pod.member === member)!.name }
  })
  t.strictSame(users, owners)
})

t.test('without a member that is known, a user belongs where it is', async t => {
  const users = { 'chat-one': ['Alice'] }
  for (const members of [[], ['127.0.0.99:3000']])
    t.match(pageState(demo({ users, members }), []).users, [{ name: 'Alice', owner: 'chat-one' }])
})

t.test('the buttons go from one pod to five, and wait while the demo is busy', async t => {
  const buttons = (chat: object) => {
    const { canScaleUp, canScaleDown, busy } = pageState(demo({ chat }), [])
    return { canScaleUp, canScaleDown, busy }
  }
  t.match(buttons({ replicas: 3 }), { canScaleUp: true, canScaleDown: true })
  t.match(buttons({ replicas: MIN_PODS }), { canScaleUp: true, canScaleDown: false })
  t.match(buttons({ replicas: MAX_PODS }), { canScaleUp: false, canScaleDown: true })
  t.match(buttons({ replicas: 3, busy: 'wait' }), { canScaleUp: false, canScaleDown: false, busy: 'wait' })
})
