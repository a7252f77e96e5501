import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { type Running, type Scope, startStack, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

/** Two pods with users who belong to a third one that is not a member yet. */
async function start(t: Scope, count: number, env: Record<string, number>) {
  const apps = await Promise.all([0, 1, 2].map(() => startApp(t)))
  const { balancer, members, sidecars, ownerOf } = await startStack(t, apps, { balancer: env })
  const all = sidecars.map(({ name }) => name)
  const know = (names: string[]) =>
    waitFor(async () => (await balancer.metric('members')) === names.length, `${names.length} members are known`)
  await members.set(...all.slice(0, 2))
  await know(all.slice(0, 2))
  const users = Array.from({ length: count }, (_, n) => userOn(ownerOf, 2, `mover-${n}`))
  for (const user of users) await connect(t, balancer.port, { user })
  return { balancer, members, all, know, newcomer: apps[2] as (typeof apps)[0] }
}

const moved = (balancer: Running) => balancer.metric('rehomes_total', { reason: 'rebalance', result: 'moved' })

/** When lines with this text were logged, in milliseconds. */
const times = ({ logs }: Running, text: string) =>
  logs.filter(({ msg }) => msg === text).map(({ time }) => Date.parse(String(time)))

t.test('nobody is moved before the members have stayed the same for a while', async t => {
  const { balancer, members, all, know, newcomer } = await start(t, 4, { REBALANCE_DELAY_SECONDS: 1 })
  const began = performance.now()
  for (let n = 1; n % 2 === 1 || performance.now() - began < 3000; n++) {
    const names = n % 2 === 0 ? all.slice(0, 2) : all
    const turn = performance.now()
    await members.set(...names)
    await know(names)
    await waitFor(() => performance.now() - turn >= 300, 'the next change is due')
  }
  const gone = async () => newcomer.server.clients.size === 4 && (await moved(balancer)) >= 4
  await waitFor(gone, 'left alone, they are moved')
  const changes = times(balancer, 'members changed')
  t.ok(changes.length >= 8, `${changes.length} changes`)
  // By its own clock: on a machine that stands still for a second, the members have stayed the same for one.
  for (const move of times(balancer, 'moved')) {
    const quiet = move - Math.max(...changes.filter(change => change <= move))
    t.ok(quiet >= 990, `${quiet} ms after the last change`)
  }
})

t.test('not more of them are moved in a second than allowed', async t => {
  const limits = { REBALANCE_DELAY_SECONDS: 0, MAX_MOVES_PER_SECOND: 10 }
  const { balancer, members, all } = await start(t, 30, limits)
  const began = performance.now()
  await members.set(...all)
  const tooMany: string[] = []
  await waitFor(async () => {
    const count = await moved(balancer)
    const seconds = (performance.now() - began) / 1000
    // One may begin at once, and timers may be a little early.
    if (count > 2 + 10 * seconds) tooMany.push(`${count} after ${seconds} s`)
    return count === 30
  }, 'all are moved')
  t.strictSame(tooMany, [])
})
