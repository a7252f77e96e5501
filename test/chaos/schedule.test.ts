import t from 'tap'
import { DELIVERS, KINDS, type Plan, planOf, type Step } from './schedule.ts'
import { ALL_AT_ONCE, runsOf, SECONDS } from './seeds.ts'

const plans = KINDS.flatMap(kind => Array.from({ length: 40 }, (_, seed) => planOf(kind, seed, 30)))

/** The pods that are there before each step, as far as the order of the steps tells. */
function* played({ pods, steps }: Plan) {
  const alive = new Set(pods)
  for (const step of steps) {
    yield { step, alive: new Set(alive) }
    if (step.act === 'start') alive.add(step.pod)
    if (step.act === 'drain' || step.act === 'kill') alive.delete(step.pod)
  }
}

t.test('a seed means the same each time, another seed something else', async t => {
  for (const kind of KINDS) {
    t.strictSame(planOf(kind, 7, 30), planOf(kind, 7, 30), kind)
    t.notSame(planOf(kind, 7, 30).steps, planOf(kind, 8, 30).steps, kind)
  }
})

t.test('steps are in the order of their times, and begin within the time of the run or in its last round', async t => {
  for (const { kind, seed, steps } of plans) {
    t.ok(steps.length > 0, `${kind} ${seed} does something`)
    t.strictSame(
      steps.map(({ at }) => at),
      steps.map(({ at }) => at).sort((a, b) => a - b),
    )
    t.ok(steps.every(({ at }) => at >= 1000 && at < 45_000))
  }
})

t.test('nothing is done to a pod that is not there, and one is always left', async t => {
  for (const plan of plans) {
    for (const { step, alive } of played(plan)) {
      const { kind, seed } = plan
      if (step.act === 'start') t.notOk(alive.has(step.pod), `${kind} ${seed}: ${step.pod} is new`)
      else t.ok(alive.has(step.pod), `${kind} ${seed}: ${step.act} ${step.pod}`)
      if (step.act === 'drain' || step.act === 'kill') t.ok(alive.size > 1)
      if (step.act === 'drain' && step.after) t.ok(alive.has(step.after), 'what it waits for comes before it')
    }
  }
})

t.test('each kind does what its name says', async t => {
  const acts = (kind: string) =>
    new Set(plans.filter(plan => plan.kind === kind).flatMap(({ steps }) => steps.map(({ act }) => act)))
  t.strictSame(acts('rolling'), new Set(['start', 'drain']))
  t.strictSame(acts('kill'), new Set(['start', 'kill', 'kill-app']))
  t.strictSame(acts('pause'), new Set(['pause']))
  t.strictSame(acts('cut'), new Set(['cut', 'delay']))
  t.strictSame(acts('mixed'), new Set(['start', 'drain', 'kill', 'kill-app', 'pause', 'cut', 'delay']))
  for (const { kind, seed, staleness, relay, steps } of plans) {
    t.equal(kind === 'stale', staleness.disorder, `${kind} ${seed}`)
    if (!relay)
      t.notOk(
        steps.some(({ act }) => act === 'cut' || act === 'delay'),
        'only a relay can cut',
      )
  }
})

t.test('scale goes from 2 pods to 5 and to 3', async t => {
  for (const plan of plans.filter(({ kind }) => kind === 'scale')) {
    const sizes = [...played(plan)].map(({ alive }) => alive.size)
    t.equal(sizes[0], 2)
    t.equal(Math.max(...sizes), 5)
    const first = plan.steps.slice(0, 5).map(({ act }) => act)
    t.strictSame(first, ['start', 'start', 'start', 'drain', 'drain'])
    t.equal(plan.steps[3]?.at, plan.steps[4]?.at, 'both drains at once')
  }
})

t.test('a rolling restart takes each pod after its successor is there', async t => {
  for (const { pods, steps } of plans.filter(({ kind }) => kind === 'rolling')) {
    const drains = steps.filter(step => step.act === 'drain')
    t.strictSame(
      drains.slice(0, 3).map(({ pod }) => pod),
      pods,
    )
    t.ok(drains.every(step => step.act === 'drain' && step.after))
  }
})

t.test('the first runs that tests make deliver in each way', async t => {
  const delivers = runsOf(3).map(({ kind, seed }) => planOf(kind, seed, SECONDS).deliver)
  t.strictSame([...delivers].sort(), [...DELIVERS].sort())
})

t.test('the runs that tests make begin with a seed in which drains, scale-ups and kills coincide', async t => {
  t.strictSame(runsOf(1), [{ kind: 'mixed', seed: ALL_AT_ONCE }])
  t.strictSame(new Set(runsOf(KINDS.length).map(({ kind }) => kind)), new Set(KINDS))
  const { steps } = planOf('mixed', ALL_AT_ONCE, SECONDS)
  const some = (is: (step: Step, others: Step[]) => boolean) =>
    steps.some(step =>
      is(
        step,
        steps.filter(other => other !== step),
      ),
    )
  const together = (step: Step, act: Step['act'], others: Step[]) =>
    others.filter(other => other.act === act && other.at === step.at)
  t.ok(
    some(
      (step, others) =>
        step.act === 'drain' && step.after !== undefined && together(step, 'drain', others).length === 1,
    ),
    'two drains at once',
  )
  t.ok(
    some(
      (step, others) =>
        step.act === 'drain' && step.after === undefined && together(step, 'start', others).length === 2,
    ),
    'a drain during a scale-up',
  )
  t.ok(
    some(
      ({ act, at }, others) =>
        act === 'kill' && others.some(other => other.act === 'drain' && other.at < at && other.at >= at - 1200),
    ),
    'a kill during a drain',
  )
})
