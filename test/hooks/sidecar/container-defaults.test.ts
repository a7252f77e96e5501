import t from 'tap'
import { balancerPod, plan } from '../plans.ts'

t.test('a program has the time to start where it gets a hundredth of a core', async t => {
  const processorSeconds = 0.25
  for (const { startupProbe, resources } of [plan().sidecar, balancerPod().container]) {
    const { periodSeconds = 0, failureThreshold = 0 } = startupProbe ?? {}
    t.ok(periodSeconds * failureThreshold > 4 * (processorSeconds / 0.01))
    t.ok(
      processorSeconds / (Number.parseInt(String(resources?.requests?.['cpu']), 10) / 1000) < 30,
      'its request suffices',
    )
  }
})
